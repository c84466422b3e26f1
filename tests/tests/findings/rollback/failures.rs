//! No finding where the transaction is dropped because of a failure, or may have been.

use std::time::Duration;

use sqlx::leash::testing::findings;
use sqlx::leash::{self, ScopeExt};
use sqlx::pool::PoolConnection;
use sqlx::{Acquire, Sqlite, SqlitePool, track};
use tokio::time::timeout;

use crate::common::{self, Place, TestPool, Tx, assert_none, marked, only, pool};

use super::certain::begins;
use super::{INSERT, fails, refuses};

#[track]
async fn answers_a_failure(pool: &SqlitePool) -> sqlx::Result<bool> {
    let mut tx = pool.begin().await?;
    sqlx::query(INSERT).execute(&mut *tx).await?;
    match fails(&mut tx).await {
        Ok(()) => tx.commit().await.map(|()| true),
        Err(_) => Ok(false),
    }
}

#[track]
async fn gives_a_statement_up(pool: &SqlitePool) -> sqlx::Result<bool> {
    const LONG: &str = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 300000) SELECT count(*) FROM n";
    let mut tx = pool.begin().await?;
    sqlx::query(INSERT).execute(&mut *tx).await?;
    let long = sqlx::query(LONG).execute(&mut *tx);
    if timeout(Duration::ZERO, long).await.is_err() {
        return Ok(false);
    }
    tx.commit().await.map(|()| true)
}

#[track]
async fn tries_again(pool: &SqlitePool) -> sqlx::Result<u32> {
    let mut tries = 0;
    loop {
        tries += 1;
        let mut tx = pool.begin().await?;
        sqlx::query(INSERT).execute(&mut *tx).await?;
        let last = if tries < 3 { "no SQL" } else { "SELECT 1" };
        if sqlx::query(last).execute(&mut *tx).await.is_err() {
            continue;
        }
        tx.commit().await?;
        return Ok(tries);
    }
}

#[track]
async fn leaves_out_what_fails(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    for _ in 0..2 {
        let mut inner = tx.begin().await?;
        sqlx::query(INSERT).execute(&mut *inner).await?;
        if fails(&mut inner).await.is_ok() {
            inner.commit().await?;
        }
    }
    tx.commit().await
}

#[track]
async fn gives_away_to_a_failure(pool: &SqlitePool) -> sqlx::Result<bool> {
    async fn saves(mut tx: Tx) -> sqlx::Result<()> {
        sqlx::query(INSERT).execute(&mut *tx).await?;
        fails(&mut tx).await?;
        tx.commit().await
    }
    let tx = pool.begin().await?;
    Ok(saves(tx).await.is_ok())
}

#[track]
async fn ends_by_text(pool: &SqlitePool, text: &'static str) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?; // @ended by text
    sqlx::query(INSERT).execute(&mut *tx).await?;
    sqlx::raw_sql(text).execute(&mut *tx).await?;
    Ok(())
}

/// The text of a statement may end a transaction whose value is dropped while open.
#[tokio::test]
async fn ended_by_a_text() {
    let pool = pool().await;
    for text in ["COMMIT", "ROLLBACK", "SELECT 1; COMMIT"] {
        let (ended, found) = findings(ends_by_text(&pool, text)).await;
        ended.unwrap();
        assert_none(&found);
    }
    let to_a_savepoint = "SAVEPOINT a; ROLLBACK TO a";
    let (ended, found) = findings(ends_by_text(&pool, to_a_savepoint)).await;
    ended.unwrap();
    let found = only(found);
    assert_eq!(
        Place::from(&found.primary),
        marked("ended by text", "begin")
    );
}

#[tokio::test]
async fn dropped_for_a_statement_that_failed() {
    let pool = pool().await;
    let ((), found) = findings(async {
        assert!(!answers_a_failure(&pool).await.unwrap());
        assert!(!gives_a_statement_up(&pool).await.unwrap());
        assert_eq!(tries_again(&pool).await.unwrap(), 3);
        leaves_out_what_fails(&pool).await.unwrap();
        assert!(!gives_away_to_a_failure(&pool).await.unwrap());
    })
    .await;
    assert_none(&found);
}

async fn refuses_in_its_own(pool: &SqlitePool) -> Result<(), &'static str> {
    refuses(pool.begin().await.unwrap()).await
}

async fn writes_and_waits(pool: &SqlitePool) {
    let mut tx = pool.begin().await.unwrap();
    sqlx::query(INSERT).execute(&mut *tx).await.unwrap();
    std::future::pending::<()>().await;
}

async fn refuses_on(conn: &mut PoolConnection<Sqlite>) -> Result<(), &'static str> {
    let mut tx = conn.begin().await.unwrap();
    sqlx::query(INSERT).execute(&mut *tx).await.unwrap();
    Err("not today")
}

async fn takes_over(pool: &SqlitePool) -> Result<(), &'static str> {
    refuses(begins(pool).await.unwrap()).await
}

#[track]
async fn answers_a_refusal(pool: &SqlitePool) -> sqlx::Result<bool> {
    Ok(refuses_in_its_own(pool).await.is_ok())
}

#[track]
async fn counts_refusals(pool: &SqlitePool) -> usize {
    let mut refused = 0;
    for _ in 0..3 {
        if refuses_in_its_own(pool).await.is_err() {
            refused += 1;
        }
    }
    refused
}

#[track]
async fn gives_a_helper_up(pool: &TestPool) -> bool {
    let wrote = common::until("it has written", || {
        pool.handles()
            .iter()
            .any(|handle| handle.statements == 1 && handle.activity == leash::Activity::Idle)
    });
    futures::future::select(Box::pin(writes_and_waits(pool)), Box::pin(wrote)).await;
    true
}

#[track]
async fn has_a_helper_begin(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut conn = pool.acquire().await?;
    assert!(refuses_on(&mut conn).await.is_err());
    Ok(())
}

#[track]
async fn has_a_helper_take_over(pool: &SqlitePool) -> sqlx::Result<()> {
    assert!(takes_over(pool).await.is_err());
    Ok(())
}

#[track]
async fn carries_a_helper(pool: &SqlitePool) -> sqlx::Result<()> {
    let pool = pool.clone();
    let task = async move { refuses_in_its_own(&pool).await.is_err() };
    assert!(tokio::spawn(task.in_current_scope()).await.unwrap());
    Ok(())
}

#[tokio::test]
async fn dropped_in_code_that_is_not_tracked() {
    let pool = pool().await;
    let ((), found) = findings(async {
        assert!(!answers_a_refusal(&pool).await.unwrap());
        assert_eq!(counts_refusals(&pool).await, 3);
        assert!(gives_a_helper_up(&pool).await);
        has_a_helper_begin(&pool).await.unwrap();
        has_a_helper_take_over(&pool).await.unwrap();
        carries_a_helper(&pool).await.unwrap();
    })
    .await;
    assert_none(&found);
}

#[track]
async fn says_nothing_of_its_type(pool: &SqlitePool) -> impl Sized + use<> {
    let mut tx = pool.begin().await.unwrap();
    sqlx::query(INSERT).execute(&mut *tx).await.unwrap();
    Err::<(), _>("hidden")
}

#[tokio::test]
async fn a_value_that_may_be_an_error_is_not_judged() {
    let pool = pool().await;
    let (_, found) = findings(says_nothing_of_its_type(&pool)).await;
    assert_none(&found);
}
