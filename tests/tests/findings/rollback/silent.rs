//! No finding where no write is lost.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use sqlx::leash::testing::findings;
use sqlx::leash::{self};
use sqlx::{Acquire, Connection, SqlitePool, track};

use crate::common::{self, Tx, assert_none, pool};

use super::INSERT;

#[track]
async fn question_mark(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    sqlx::query(INSERT).execute(&mut *tx).await?;
    sqlx::query("no SQL").execute(&mut *tx).await?;
    tx.commit().await
}

#[track]
async fn returns_an_error(pool: &SqlitePool) -> Result<(), String> {
    let mut tx = pool.begin().await.unwrap();
    sqlx::query(INSERT).execute(&mut *tx).await.unwrap();
    Err("not today".to_owned())
}

#[track]
async fn reads(pool: &SqlitePool) {
    let mut tx = pool.begin().await.unwrap();
    let _: Vec<(i64, String)> = sqlx::query_as("SELECT id, name FROM exam")
        .fetch_all(&mut *tx)
        .await
        .unwrap();
    sqlx::query("SELECT 1").fetch_one(&mut *tx).await.unwrap();
}

#[track]
async fn touches_no_row(pool: &SqlitePool) {
    let mut tx = pool.begin().await.unwrap();
    for sql in [
        "UPDATE exam SET name = 'b' WHERE id = -1",
        "DELETE FROM exam WHERE id = -1",
        "INSERT INTO exam SELECT * FROM exam WHERE id = -1",
        "DELETE FROM exam WHERE id = -1 RETURNING id",
        "EXPLAIN QUERY PLAN DELETE FROM exam",
    ] {
        sqlx::query(sql).fetch_all(&mut *tx).await.unwrap();
        sqlx::query(sql).execute(&mut *tx).await.unwrap();
    }
}

#[track]
async fn touches_no_row_after_one_that_did(pool: &SqlitePool) {
    // On the same connection, so that the driver could confuse the row counts.
    let mut conn = pool.acquire().await.unwrap();
    sqlx::query(INSERT).execute(&mut *conn).await.unwrap();
    let mut tx = conn.begin().await.unwrap();
    sqlx::query("INSERT OR IGNORE INTO exam SELECT * FROM exam")
        .execute(&mut *tx)
        .await
        .unwrap();
}

#[track]
async fn commits(pool: &SqlitePool) {
    let mut tx = pool.begin().await.unwrap();
    sqlx::query(INSERT).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
}

#[track]
async fn rolls_back(pool: &SqlitePool) {
    let mut tx = pool.begin().await.unwrap();
    sqlx::query(INSERT).execute(&mut *tx).await.unwrap();
    tx.rollback().await.unwrap();
}

#[track]
async fn rolls_a_savepoint_back(pool: &SqlitePool) {
    let mut tx = pool.begin().await.unwrap();
    let mut inner = tx.begin().await.unwrap();
    sqlx::query(INSERT).execute(&mut *inner).await.unwrap();
    inner.rollback().await.unwrap();
}

#[track]
async fn fails_to_write(pool: &SqlitePool) {
    let mut tx = pool.begin().await.unwrap();
    let failed = sqlx::query("INSERT INTO exam (name) VALUES (NULL)")
        .execute(&mut *tx)
        .await;
    assert!(failed.is_err());
}

#[track]
async fn by_callback(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut conn = pool.acquire().await?;
    conn.transaction(|tx| {
        Box::pin(async move { sqlx::query(INSERT).execute(&mut **tx).await.map(drop) })
    })
    .await
}

#[track]
async fn by_callback_that_fails(pool: &SqlitePool) {
    let mut conn = pool.acquire().await.unwrap();
    let failed: sqlx::Result<()> = conn
        .transaction(|tx| {
            Box::pin(async move {
                sqlx::query(INSERT).execute(&mut **tx).await?;
                Err(sqlx::Error::RowNotFound)
            })
        })
        .await;
    assert!(failed.is_err());
}

#[tokio::test]
async fn nothing_is_lost() {
    let pool = pool().await;
    let ((), found) = findings(async {
        assert!(question_mark(&pool).await.is_err());
        assert!(returns_an_error(&pool).await.is_err());
        reads(&pool).await;
        touches_no_row(&pool).await;
        touches_no_row_after_one_that_did(&pool).await;
        commits(&pool).await;
        rolls_back(&pool).await;
        rolls_a_savepoint_back(&pool).await;
        fails_to_write(&pool).await;
        by_callback(&pool).await.unwrap();
        by_callback_that_fails(&pool).await;
    })
    .await;
    assert_none(&found);
}

#[track]
async fn panics(pool: &SqlitePool) {
    let mut tx = pool.begin().await.unwrap();
    sqlx::query(INSERT).execute(&mut *tx).await.unwrap();
    panic!("the test wants it");
}

#[track]
async fn catches(pool: &SqlitePool) {
    let caught = AssertUnwindSafe(async {
        let mut tx = pool.begin().await.unwrap();
        sqlx::query(INSERT).execute(&mut *tx).await.unwrap();
        panic!("the test wants it");
    })
    .catch_unwind()
    .await;
    assert!(caught.is_err());
}

#[tokio::test]
async fn a_panic_takes_it_back() {
    let pool = pool().await;
    let (caught, found) = findings(AssertUnwindSafe(panics(&pool)).catch_unwind()).await;
    assert!(caught.is_err());
    assert_none(&found);
    let ((), found) = findings(catches(&pool)).await;
    assert_none(&found);
}

#[track]
async fn never_ends(pool: &SqlitePool) {
    let mut tx = pool.begin().await.unwrap();
    sqlx::query(INSERT).execute(&mut *tx).await.unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_cancelled_function_takes_its_transaction_back() {
    let pool = pool().await;
    let (given_up, found) = findings(async {
        let wrote = common::until("the row is written", || {
            pool.handles()
                .iter()
                .any(|handle| handle.statements == 1 && handle.activity == leash::Activity::Idle)
        });
        futures::future::select(Box::pin(never_ends(&pool)), Box::pin(wrote)).await;
        true
    })
    .await;
    assert!(given_up);
    assert_none(&found);
}

#[track]
async fn hands_up(pool: &SqlitePool) -> Tx {
    let mut tx = pool.begin().await.unwrap();
    sqlx::query(INSERT).execute(&mut *tx).await.unwrap();
    tx
}

#[track]
async fn commits_what_it_was_given(pool: &SqlitePool) {
    hands_up(pool).await.commit().await.unwrap();
}

#[tokio::test]
async fn writes_that_the_caller_commits_are_not_lost() {
    let pool = pool().await;
    let ((), found) = findings(commits_what_it_was_given(&pool)).await;
    assert_none(&found);
}
