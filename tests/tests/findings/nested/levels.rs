//! Allowed and denied.

use futures::FutureExt;
use futures::future::join_all;
use sqlx::leash::Lint;
use sqlx::{SqlitePool, track};

use crate::common::{bare_pool_of, marked, none_of};

use super::{Result, is_silent};

#[track(allow(nested_acquire, reason = "a test of silence"))]
async fn is_allowed(pool: &SqlitePool) -> Result {
    let first = pool.acquire().await?;
    let second = pool.acquire().await?;
    drop(second);
    drop(first);
    Ok(())
}

#[tokio::test]
async fn allow_is_silent() {
    let pool = bare_pool_of(5).await;
    is_silent(is_allowed(&pool)).await;
    none_of(Lint::NestedAcquire, &pool.received());
}

#[track(deny(nested_acquire))]
async fn is_denied(pool: &SqlitePool) -> Result {
    let first = pool.acquire().await?;
    let second = pool.acquire().await?; // @denied
    drop(second);
    drop(first);
    Ok(())
}

#[tokio::test]
async fn deny_panics_at_the_second_acquire() {
    crate::common::note_panics();
    let pool = bare_pool_of(5).await;
    let ended = std::panic::AssertUnwindSafe(is_denied(&pool))
        .catch_unwind()
        .await;
    assert_eq!(ended.is_err(), cfg!(debug_assertions));
    if cfg!(debug_assertions) {
        let panics = crate::common::panics_about(pool.name());
        assert_eq!(panics.len(), 1);
        assert_eq!(panics[0].0, marked("denied", "acquire"));
        // Both permits were released.
        let all = join_all((0..5).map(|_| pool.acquire())).await;
        assert!(all.iter().all(std::result::Result::is_ok));
    }
}
