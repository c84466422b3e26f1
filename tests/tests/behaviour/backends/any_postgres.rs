//! The suite on `Any` over PostgreSQL.

use sqlx::any::AnyPoolOptions;

use super::bench;
use crate::common::TestPool;

type Db = sqlx::Any;

/// Selects a row by its id.
const BY_ID: &str = "SELECT * FROM exam WHERE id = $1";

/// A pool on a new database, or `None` where there is no server.
async fn pool_of(max_connections: u32) -> Option<TestPool<Db>> {
    bench::any_postgres(AnyPoolOptions::new().max_connections(max_connections)).await
}

#[path = "counters.rs"]
mod counters;
#[path = "findings.rs"]
mod findings;
#[path = "metrics.rs"]
mod metrics;
