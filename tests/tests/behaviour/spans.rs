//! Spans, as OpenTelemetry exports them. What is the same on every database is in `backends/spans.rs`.

mod exported;
mod fields;
mod off;
mod waits;

use std::time::Duration;

use sqlx::track;

use crate::common::pool_of;

pub(crate) use exported::{Exported, attribute, time};

/// Makes a span of each kind.
#[track]
async fn every_kind() {
    let pool = pool_of(1).await;
    let tx = pool.begin().await.unwrap();
    let waits = tokio::time::timeout(Duration::from_millis(20), pool.acquire());
    waits.await.unwrap_err();
    tx.commit().await.unwrap();
    sqlx::query("SELECT * FROM exam")
        .fetch_all(&*pool)
        .await
        .unwrap();
}
