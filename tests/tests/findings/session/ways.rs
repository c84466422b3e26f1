//! Each way in which a connection goes back: where the finding is reported, and when.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use sqlx::leash::testing::findings;
use sqlx::leash::{self, Lint, ScopeExt};
use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqliteConnection, SqlitePool, track};

use crate::common::{Place, assert_none, declared, marked, only, pool, received, related};

use super::check;

const SET: &str = "PRAGMA cache_size = 60";

#[track]
async fn fails_afterwards(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut conn = pool.acquire().await?;
    sqlx::query(SET).execute(&mut *conn).await?;
    sqlx::query("no SQL").execute(&mut *conn).await?;
    sqlx::query("PRAGMA cache_size = -2000")
        .execute(&mut *conn)
        .await?;
    Ok(())
}

#[track]
async fn hands_up(pool: &SqlitePool) -> sqlx::Result<PoolConnection<Sqlite>> {
    let mut conn = pool.acquire().await?;
    sqlx::query("SELECT 1").execute(&mut *conn).await?;
    Ok(conn)
}

#[track]
async fn sets_what_it_was_handed(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut conn = hands_up(pool).await?;
    sqlx::query(SET).execute(&mut *conn).await?; // @set on a handed one
    gives_back(conn).await;
    Ok(())
}

#[track]
async fn gives_back(mut conn: PoolConnection<Sqlite>) {
    let _ = sqlx::query("SELECT 2").execute(&mut *conn).await;
}

#[track]
async fn lends(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut conn = pool.acquire().await?;
    sets_on_a_lent_one(&mut conn).await
}

#[track]
async fn sets_on_a_lent_one(conn: &mut SqliteConnection) -> sqlx::Result<()> {
    sqlx::query(SET).execute(conn).await?; // @set on a lent one
    Ok(())
}

#[tokio::test]
async fn with_an_error_in_a_callee_or_lent() {
    let pool = pool().await;
    let (failed, found) = findings(fails_afterwards(&pool)).await;
    failed.unwrap_err();
    check(
        found,
        "leaves the setting of `PRAGMA cache_size`",
        "old value",
    );

    let (done, found) = findings(sets_what_it_was_handed(&pool)).await;
    done.unwrap();
    let found = check(found, "sets_what_it_was_handed leaves", "old value");
    assert_eq!(
        Place::from(&found.primary),
        marked("set on a handed one", "execute")
    );
    let gives = related(&found, &declared("gives_back"));
    assert_eq!(gives.label, "it goes back in this function");

    let (done, found) = findings(lends(&pool)).await;
    done.unwrap();
    let found = check(found, "sets_on_a_lent_one leaves", "old value");
    assert_eq!(
        Place::from(&found.primary),
        marked("set on a lent one", "execute")
    );
}

#[track]
async fn never_ends(pool: &SqlitePool) {
    let mut conn = pool.acquire().await.unwrap();
    sqlx::query(SET).execute(&mut *conn).await.unwrap();
    std::future::pending::<()>().await;
}

#[track]
async fn panics(pool: &SqlitePool) {
    let mut conn = pool.acquire().await.unwrap();
    sqlx::query(SET).execute(&mut *conn).await.unwrap();
    panic!("the test wants it");
}

#[tokio::test]
async fn cut_short() {
    let pool = pool().await;
    let ((), found) = findings(async {
        let limit = std::time::Duration::from_millis(50);
        let waited = tokio::time::timeout(limit, never_ends(&pool)).await;
        assert!(waited.is_err());
    })
    .await;
    check(found, "never_ends leaves", "old value");
    let (caught, found) = findings(AssertUnwindSafe(panics(&pool)).catch_unwind()).await;
    assert!(caught.is_err());
    check(found, "panics leaves", "old value");
}

#[tokio::test]
async fn in_other_scopes() {
    let pool = pool().await;
    let (done, found) = findings(leash::scope("nightly", async {
        let mut conn = pool.acquire().await?;
        sqlx::query("SELECT 1").execute(&mut *conn).await?;
        sqlx::query(SET).execute(&mut *conn).await.map(drop)
    }))
    .await;
    done.unwrap();
    check(
        found,
        "leaves the setting of `PRAGMA cache_size`",
        "old value",
    );

    let inner = SqlitePool::clone(&pool);
    let ((), found) = findings(async {
        let carried = async move {
            let mut conn = inner.acquire().await.unwrap();
            sqlx::query("SELECT 1").execute(&mut *conn).await.unwrap();
            sqlx::query(SET).execute(&mut *conn).await.unwrap();
        };
        tokio::spawn(carried.in_current_scope()).await.unwrap();
    })
    .await;
    check(
        found,
        "leaves the setting of `PRAGMA cache_size`",
        "old value",
    );
}

#[tokio::test]
async fn without_a_scope() {
    let pool = pool().await;
    let mut conn = pool.acquire().await.unwrap(); // @no scope
    // Not the first statement: what an untracked helper sets first may be set at every acquire.
    sqlx::query("SELECT 1").execute(&mut *conn).await.unwrap();
    sqlx::query(SET).execute(&mut *conn).await.unwrap();
    assert_none(&received(pool.name()));
    drop(conn);
    let found = only(received(pool.name()));
    assert_eq!(found.lint, Lint::SessionState);
    assert_eq!(Place::from(&found.primary), marked("no scope", "acquire"));
    assert!(found.label.contains("taken here"), "{}", found.render());
}

/// Code without the attribute.
async fn undoes(conn: &mut SqliteConnection) {
    use sqlx::Executor as _;
    let undo = "PRAGMA cache_size = -2000";
    (&mut *conn).execute(undo).await.unwrap();
}

#[track]
async fn has_it_undone(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut conn = pool.acquire().await?;
    sqlx::query("SELECT 1").execute(&mut *conn).await?;
    sqlx::query("PRAGMA foreign_keys = OFF")
        .execute(&mut *conn)
        .await?;
    undoes(&mut conn).await;
    Ok(())
}

#[tokio::test]
async fn what_code_that_is_not_seen_did_is_a_doubt() {
    let pool = pool().await;
    let (done, found) = findings(has_it_undone(&pool)).await;
    done.unwrap();
    let found = check(
        found,
        "leaves the setting of `PRAGMA foreign_keys`",
        "foreign_keys",
    );
    assert!(
        found.notes[0].contains("code that is not seen"),
        "{}",
        found.render()
    );
}
