//! Allowed and denied.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use sqlx::leash::Lint;
use sqlx::leash::testing::findings;
use sqlx::{SqlitePool, track};

use crate::common::{marked, none_of, note_panics, panics_about};

use super::{Result, pool_of};

#[track(allow(pool_timeout, reason = "a test of silence"))]
async fn is_allowed(pool: &SqlitePool) -> Result {
    let conn = pool.acquire().await?;
    drop(conn);
    Ok(())
}

#[track(deny(pool_timeout))]
async fn is_denied(pool: &SqlitePool) -> Result {
    let conn = pool.acquire().await?; // @denied
    drop(conn);
    Ok(())
}

#[tokio::test]
async fn allow_is_silent() {
    let pool = pool_of(1).await;
    let held = pool.acquire().await.unwrap();
    let (ended, found) = findings(Box::pin(is_allowed(&pool))).await;
    assert!(matches!(ended, Err(sqlx::Error::PoolTimedOut)));
    none_of(Lint::PoolTimeout, &found);
    drop(held);
}

#[tokio::test]
async fn deny_panics_at_the_acquire() {
    note_panics();
    let pool = pool_of(1).await;
    let held = pool.acquire().await.unwrap();
    let ended = AssertUnwindSafe(is_denied(&pool)).catch_unwind().await;
    assert_eq!(ended.is_err(), cfg!(debug_assertions));
    if cfg!(debug_assertions) {
        let panics = panics_about(pool.name());
        assert_eq!(panics.len(), 1);
        assert_eq!(panics[0].0, marked("denied", "acquire"));
        assert!(
            panics[0].1.contains("cause (hoarder, certain)"),
            "{}",
            panics[0].1
        );
    }
    drop(held);
}
