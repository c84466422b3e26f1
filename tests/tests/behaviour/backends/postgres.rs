//! The suite on PostgreSQL.

use sqlx::postgres::PgPoolOptions;

use super::bench;
use crate::common::TestPool;

type Db = sqlx::Postgres;

/// Selects a row by its id.
const BY_ID: &str = "SELECT * FROM exam WHERE id = $1";

/// Begins a transaction with options.
const BEGIN_WITH: &str = "BEGIN ISOLATION LEVEL SERIALIZABLE";

/// Begins a transaction that waits for writers of the table.
const BEGIN_WAITING: &str = "BEGIN; LOCK TABLE exam";

/// A connection is usable after a cancelled operation.
const GOES_ON: bool = true;

/// A pool on a new database, or `None` where there is no server.
async fn pool_of(max_connections: u32) -> Option<TestPool<Db>> {
    bench::postgres(PgPoolOptions::new().max_connections(max_connections)).await
}

/// The URL of the server for `#[sqlx::test]`, and the database that keeps the server running.
async fn server() -> Option<(String, leash_tests::support::Db)> {
    let db = leash_tests::support::postgres().await?;
    Some((db.url().to_owned(), db))
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

mod copy;
mod listener;
mod locks;
mod offline;
