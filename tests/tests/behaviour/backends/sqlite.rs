//! The suite on SQLite.

use sqlx::sqlite::SqlitePoolOptions;

use super::bench;
use crate::common::TestPool;

type Db = sqlx::Sqlite;

/// A row by its number.
const BY_ID: &str = "SELECT * FROM exam WHERE id = ?";

/// A connection whose operation was given up can go on.
const GOES_ON: bool = true;

/// A pool of a database of its own, or `None` where there is no server.
async fn pool_of(max_connections: u32) -> Option<TestPool<Db>> {
    bench::sqlite(SqlitePoolOptions::new().max_connections(max_connections)).await
}

#[path = "cancel.rs"]
mod cancel;
#[path = "counters.rs"]
mod counters;
#[path = "findings.rs"]
mod findings;
