//! The suite on MariaDB.

use sqlx::mysql::MySqlPoolOptions;

use super::bench;
use crate::common::TestPool;

type Db = sqlx::MySql;

/// A row by its number.
const BY_ID: &str = "SELECT * FROM exam WHERE id = ?";

/// A connection whose operation was given up cannot go on: sqlx's driver loses count of what is still to be read, and takes
/// the answer to a PREPARE or a ping for that to the next statement. So the tracker closes it when it is given back.
const GOES_ON: bool = false;

/// A pool of a database of its own, or `None` where there is no server.
async fn pool_of(max_connections: u32) -> Option<TestPool<Db>> {
    bench::mysql(MySqlPoolOptions::new().max_connections(max_connections)).await
}

#[path = "cancel.rs"]
mod cancel;
#[path = "counters.rs"]
mod counters;
#[path = "findings.rs"]
mod findings;
