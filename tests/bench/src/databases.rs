//! The databases on which the contenders run.

use leash_test_support::Db;
use tokio::runtime::Runtime;

use crate::machine;

/// Each connection has a database to itself.
pub(crate) const SQLITE: &str = "sqlite::memory:";

/// A database that contenders connect to.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) name: &'static str,
    pub(crate) url: String,
    /// Dropped with this value.
    _server: Option<Db>,
}

/// Returns SQLite in memory, and PostgreSQL over loopback if there is a server. Prints a line if there is none.
pub(crate) fn all(runtime: &Runtime) -> Vec<Database> {
    let sqlite = Database {
        name: "SQLite in memory",
        url: SQLITE.to_owned(),
        _server: None,
    };
    let postgres = machine::beside_clients(|| runtime.block_on(leash_test_support::postgres()));
    let postgres = postgres.map(|db| Database {
        name: "PostgreSQL over loopback",
        url: db.url().to_owned(),
        _server: Some(db),
    });
    std::iter::once(sqlite).chain(postgres).collect()
}
