//! The suite on PostgreSQL.

use sqlx::postgres::PgPoolOptions;

use super::bench;
use crate::common::TestPool;

type Db = sqlx::Postgres;

/// A row by its number.
const BY_ID: &str = "SELECT * FROM exam WHERE id = $1";

/// Begins a transaction of a kind of its own.
const BEGIN_WITH: &str = "BEGIN ISOLATION LEVEL SERIALIZABLE";

/// Begins a transaction that waits for who writes to the table.
const BEGIN_WAITING: &str = "BEGIN; LOCK TABLE exam";

/// A connection whose operation was given up can go on.
const GOES_ON: bool = true;

/// A pool of a database of its own, or `None` where there is no server.
async fn pool_of(max_connections: u32) -> Option<TestPool<Db>> {
    bench::postgres(PgPoolOptions::new().max_connections(max_connections)).await
}

/// Where `#[sqlx::test]` finds its server, for as long as what comes with it lives.
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
#[path = "shared.rs"]
mod shared;
#[path = "statements.rs"]
mod statements;

mod copy;
mod listener;
mod locks;
mod offline;
