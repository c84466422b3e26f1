//! Allowed by the function that sets the state, or by the one in which the connection goes back.

use sqlx::leash::testing::findings;
use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqlitePool, track};

use crate::common::{assert_none, pool};

use super::check;

const TABLE: &str = "CREATE TEMP TABLE IF NOT EXISTS levels (a)";

#[track(allow(session_state, reason = "a test"))]
async fn sets_and_allows(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut conn = pool.acquire().await?;
    sqlx::query(TABLE).execute(&mut *conn).await?;
    Ok(())
}

#[track]
async fn sets(conn: &mut PoolConnection<Sqlite>) -> sqlx::Result<()> {
    sqlx::query(TABLE).execute(&mut **conn).await?;
    Ok(())
}

#[track(allow(leaks, reason = "a test"))]
async fn gives_back_and_allows(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut conn = pool.acquire().await?;
    sets(&mut conn).await
}

#[track]
async fn gives_back(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut conn = pool.acquire().await?;
    sets(&mut conn).await
}

#[track(deny(session_state, reason = "a test"))]
async fn denies_what_is_likely(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut conn = pool.acquire().await?;
    sqlx::query(TABLE).execute(&mut *conn).await?;
    Ok(())
}

#[tokio::test]
async fn allowed_by_attribute() {
    let pool = pool().await;
    for (done, found) in [
        findings(sets_and_allows(&pool)).await,
        findings(gives_back_and_allows(&pool)).await,
    ] {
        done.unwrap();
        assert_none(&found);
    }
    let (done, found) = findings(gives_back(&pool)).await;
    done.unwrap();
    check(found, "sets leaves a temporary table", "DROP TABLE levels");
}

#[tokio::test]
async fn what_is_likely_never_panics() {
    let pool = pool().await;
    denies_what_is_likely(&pool).await.unwrap();
}
