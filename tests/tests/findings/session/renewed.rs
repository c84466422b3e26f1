//! Settings that every holder may set anew.

use sqlx::leash::Lint;
use sqlx::leash::testing::findings;
use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqlitePool, track};

use crate::common::{Place, assert_none, connect, marked, options, pool, related};

use super::{check, sent};

#[track]
async fn sets_first(pool: &SqlitePool, text: &'static str) -> sqlx::Result<()> {
    let mut conn = pool.acquire().await?;
    sqlx::query(text).execute(&mut *conn).await?; // @set first
    sqlx::query("SELECT 1").execute(&mut *conn).await?;
    Ok(())
}

#[track]
async fn only_reads(pool: &SqlitePool) -> sqlx::Result<()> {
    sqlx::query("SELECT 2").execute(pool).await?; // @reads with it
    Ok(())
}

#[tokio::test]
async fn by_every_holder_of_the_only_connection() {
    let pool = connect(options(1)).await;
    let ((), found) = findings(async {
        sets_first(&pool, "PRAGMA cache_size = 1").await.unwrap();
        sets_first(&pool, "PRAGMA cache_size = 2").await.unwrap();
        sets_first(&pool, "PRAGMA cache_size = 1").await.unwrap();
    })
    .await;
    assert_none(&found);
    let (done, found) = findings(only_reads(&pool)).await;
    done.unwrap();
    let found = check(
        found,
        "sets_first leaves the setting of `PRAGMA cache_size`",
        "old value",
    );
    assert_eq!(Place::from(&found.primary), marked("set first", "execute"));
    let reads = related(&found, &marked("reads with it", "execute"));
    assert!(
        reads.label.contains("may run on that connection"),
        "{}",
        reads.label
    );
    let (done, found) = findings(only_reads(&pool)).await;
    done.unwrap();
    assert_none(&found);
}

#[tokio::test]
async fn a_table_or_a_later_statement_is_told_at_once() {
    let pool = connect(options(1)).await;
    let found = sent!(Sqlite, pool, "SELECT 1", "PRAGMA cache_size = 3");
    check(
        found,
        "leaves the setting of `PRAGMA cache_size`",
        "old value",
    );
    let found = sent!(Sqlite, pool, "CREATE TEMP TABLE told (a)");
    check(found, "leaves a temporary table", "DROP TABLE told");
}

#[track]
async fn acquires(pool: &SqlitePool, text: &'static str) -> sqlx::Result<PoolConnection<Sqlite>> {
    let mut conn = pool.acquire().await?;
    sqlx::query(text).execute(&mut *conn).await?; // @helper
    Ok(conn)
}

#[track]
async fn works(pool: &SqlitePool, text: &'static str) -> sqlx::Result<()> {
    let mut conn = acquires(pool, text).await?;
    sqlx::query("SELECT 1").execute(&mut *conn).await?;
    Ok(())
}

#[tokio::test]
async fn by_an_acquire_helper() {
    let pool = pool().await;
    let ((), found) = findings(async {
        for text in ["PRAGMA cache_size = 1", "PRAGMA cache_size = 2"] {
            works(&pool, text).await.unwrap();
        }
    })
    .await;
    assert_none(&found);
    let (done, found) = findings(only_reads(&pool)).await;
    done.unwrap();
    let found = check(
        found,
        "acquires leaves the setting",
        "pragma(\"cache_size\"",
    );
    assert_eq!(Place::from(&found.primary), marked("helper", "execute"));
    assert_eq!(found.lint, Lint::SessionState);
}

/// Code without the attribute.
async fn acquires_unseen(pool: &SqlitePool) -> PoolConnection<Sqlite> {
    let mut conn = pool.acquire().await.unwrap();
    let set = "PRAGMA cache_size = 4";
    sqlx::query(set).execute(&mut *conn).await.unwrap();
    conn
}

#[track]
async fn works_on_that(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut conn = acquires_unseen(pool).await;
    sqlx::query("SELECT 1").execute(&mut *conn).await?;
    Ok(())
}

#[tokio::test]
async fn by_an_acquire_helper_without_the_attribute() {
    let pool = pool().await;
    let ((), found) = findings(async {
        works_on_that(&pool).await.unwrap();
        works_on_that(&pool).await.unwrap();
    })
    .await;
    assert_none(&found);
    let (done, found) = findings(only_reads(&pool)).await;
    done.unwrap();
    check(
        found,
        "leaves the setting of `PRAGMA cache_size`",
        "old value",
    );
}
