//! The suite on MariaDB.

use sqlx::mysql::MySqlPoolOptions;

use super::bench;
use crate::common::TestPool;

type Db = sqlx::MySql;

/// Selects a row by its id.
const BY_ID: &str = "SELECT * FROM exam WHERE id = ?";

/// Begins a transaction with options.
const BEGIN_WITH: &str = "START TRANSACTION WITH CONSISTENT SNAPSHOT";

/// Begins a transaction that waits for writers of the table.
const BEGIN_WAITING: &str = "BEGIN; SELECT * FROM exam FOR UPDATE";

/// A connection is not usable after a cancelled operation: sqlx's driver loses count of the packets still to be read,
/// and takes the answer to a PREPARE or a ping for that to the next statement. So the tracker closes the connection
/// when it is returned.
const GOES_ON: bool = false;

/// A pool on a new database, or `None` where there is no server.
async fn pool_of(max_connections: u32) -> Option<TestPool<Db>> {
    bench::mysql(MySqlPoolOptions::new().max_connections(max_connections)).await
}

/// The URL of the server for `#[sqlx::test]`, and the database that keeps the server running.
async fn server() -> Option<(String, leash_tests::support::Db)> {
    let db = leash_tests::support::mysql().await?;
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

mod offline;
mod procedures;
