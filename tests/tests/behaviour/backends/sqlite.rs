//! The suite on SQLite.

use sqlx::sqlite::SqlitePoolOptions;

use super::bench;
use crate::common::TestPool;

type Db = sqlx::Sqlite;

/// A row by its number.
const BY_ID: &str = "SELECT * FROM exam WHERE id = ?";

/// Begins a transaction of a kind of its own.
const BEGIN_WITH: &str = "BEGIN IMMEDIATE";

/// Begins a transaction that waits for who writes to the table.
const BEGIN_WAITING: &str = "BEGIN IMMEDIATE";

/// A connection whose operation was given up can go on.
const GOES_ON: bool = true;

/// A pool of a database of its own, or `None` where there is no server.
async fn pool_of(max_connections: u32) -> Option<TestPool<Db>> {
    bench::sqlite(SqlitePoolOptions::new().max_connections(max_connections)).await
}

/// Where `#[sqlx::test]` finds its server: SQLite has none.
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
#[path = "shared.rs"]
mod shared;
#[path = "statements.rs"]
mod statements;

mod offline;
