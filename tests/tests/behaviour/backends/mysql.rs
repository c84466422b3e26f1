//! The suite on MariaDB.

use sqlx::mysql::MySqlPoolOptions;

use super::bench;
use crate::common::TestPool;

type Db = sqlx::MySql;

/// A row by its number.
const BY_ID: &str = "SELECT * FROM exam WHERE id = ?";

/// Begins a transaction of a kind of its own.
const BEGIN_WITH: &str = "START TRANSACTION WITH CONSISTENT SNAPSHOT";

/// Begins a transaction that waits for who writes to the table.
const BEGIN_WAITING: &str = "BEGIN; SELECT * FROM exam FOR UPDATE";

/// A connection whose operation was given up cannot go on: sqlx's driver loses count of what is still to be read, and takes
/// the answer to a PREPARE or a ping for that to the next statement. So the tracker closes it when it is given back.
const GOES_ON: bool = false;

/// A pool of a database of its own, or `None` where there is no server.
async fn pool_of(max_connections: u32) -> Option<TestPool<Db>> {
    bench::mysql(MySqlPoolOptions::new().max_connections(max_connections)).await
}

/// Where `#[sqlx::test]` finds its server, for as long as what comes with it lives.
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
#[path = "shared.rs"]
mod shared;
#[path = "statements.rs"]
mod statements;

mod offline;
mod procedures;
