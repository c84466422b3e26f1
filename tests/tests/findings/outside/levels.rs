//! Allowed and denied.

use futures::FutureExt;
use sqlx::leash::Lint;
use sqlx::{SqlitePool, track};

use crate::common::{bare_pool_of, marked, none_of, note_panics, only_of, panics_about};

use super::{Result, found};

#[track(allow(outside_transaction, reason = "a test of silence"))]
async fn is_allowed(pool: &SqlitePool) -> Result {
    let tx = pool.begin().await?;
    sqlx::query("SELECT 1").execute(pool).await?;
    tx.rollback().await
}

#[tokio::test]
async fn allow_is_silent() {
    let pool = bare_pool_of(5).await;
    let found = found(is_allowed(&pool)).await;
    none_of(Lint::OutsideTransaction, &found);
    only_of(Lint::NestedAcquire, &found);
}

#[track(deny(outside_transaction))]
async fn is_denied(pool: &SqlitePool) -> Result {
    let tx = pool.begin().await?;
    sqlx::query("SELECT 1").execute(pool).await?; // @denied
    tx.rollback().await
}

#[tokio::test]
async fn deny_panics_at_the_query() {
    note_panics();
    let pool = bare_pool_of(5).await;
    let ended = std::panic::AssertUnwindSafe(is_denied(&pool))
        .catch_unwind()
        .await;
    assert_eq!(ended.is_err(), cfg!(debug_assertions));
    if cfg!(debug_assertions) {
        let panics = panics_about(pool.name());
        assert_eq!(panics.len(), 1);
        assert_eq!(panics[0].0, marked("denied", "execute"));
        assert!(panics[0].1.contains("outside_transaction"));
    }
}
