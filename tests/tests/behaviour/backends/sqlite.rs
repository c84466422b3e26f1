//! The suite on SQLite.

use sqlx::sqlite::SqlitePoolOptions;

use super::bench;
use crate::common::TestPool;

type Db = sqlx::Sqlite;

/// Selects a row by its id.
const BY_ID: &str = "SELECT * FROM exam WHERE id = ?";

/// Begins a transaction with options.
const BEGIN_WITH: &str = "BEGIN IMMEDIATE";

/// Begins a transaction that waits for writers of the table.
const BEGIN_WAITING: &str = "BEGIN IMMEDIATE";

/// A connection is usable after a cancelled operation.
const GOES_ON: bool = true;

/// A pool on a new database, or `None` where there is no server.
async fn pool_of(max_connections: u32) -> Option<TestPool<Db>> {
    bench::sqlite(SqlitePoolOptions::new().max_connections(max_connections)).await
}

/// The URL of the server for `#[sqlx::test]`: SQLite has no server.
async fn server() -> Option<(String, ())> {
    Some(("sqlite::memory:".to_owned(), ()))
}

#[path = "attribute.rs"]
mod attribute;
#[macro_use]
#[path = "cancel.rs"]
mod cancel;
#[path = "counters.rs"]
mod counters;
#[path = "findings.rs"]
mod findings;
#[path = "metrics.rs"]
mod metrics;
#[path = "observed.rs"]
mod observed;
#[path = "shared.rs"]
mod shared;
#[path = "spans.rs"]
mod spans;
#[path = "statements.rs"]
mod statements;

mod offline;
