//! The suite on `Any` over PostgreSQL.

use sqlx::any::AnyPoolOptions;

use super::bench;
use crate::common::TestPool;

type Db = sqlx::Any;

/// A row by its number.
const BY_ID: &str = "SELECT * FROM exam WHERE id = $1";

/// A pool of a database of its own, or `None` where there is no server.
async fn pool_of(max_connections: u32) -> Option<TestPool<Db>> {
    bench::any_postgres(AnyPoolOptions::new().max_connections(max_connections)).await
}

#[path = "counters.rs"]
mod counters;
#[path = "findings.rs"]
mod findings;
