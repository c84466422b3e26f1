//! `pool_settings`: a pool whose options contradict its database, seen where it is made.

mod databases;
mod kept;
mod levels;
mod limits;
mod places;

use std::time::Duration;

use sqlx::leash::testing::findings;
use sqlx::leash::{Certainty, Finding, Level, Lint};
use sqlx::mysql::MySqlPoolOptions;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{PgPool, SqlitePool};

use crate::common::{Says, assert_helps, assert_none, marked, only};

/// The finding about a pool that `make` makes.
async fn about<T>(make: impl Future<Output = T>) -> Finding {
    let (_pool, found) = findings(make).await;
    only(found)
}

/// Asserts that nothing is found of a pool with these options.
async fn assert_right(options: SqlitePoolOptions, url: &str) {
    let (pool, found) = findings(options.connect(url)).await;
    pool.unwrap();
    assert_none(&found);
}

fn memory() -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(":memory:")
}

/// The options that the help advises.
fn advised() -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .idle_timeout(None)
        .max_lifetime(None)
}

#[tokio::test]
async fn the_default_timeouts_delete_the_database() {
    let found = about(async {
        SqlitePool::connect("sqlite::memory:").await // @default
    })
    .await;
    Says {
        lint: Lint::PoolSettings,
        level: Level::Warn,
        certainty: Certainty::Certain,
        primary: marked("default", "SqlitePool::connect"),
        function: Some("findings"),
        title: &[
            "pool :memory: loses its in-memory database when it closes the last connection: \
             after 10.0 min without use, or at the age of 30.0 min",
        ],
        related: &[],
        facts: &[
            "idle_timeout 10.0 min, sqlx's default",
            "max_lifetime 30.0 min, sqlx's default",
        ],
        help: &[
            "`SqlitePoolOptions::new().idle_timeout(None).max_lifetime(None)`",
            "sqlite://data.db?mode=rwc",
        ],
    }
    .check(&found);
    assert_eq!(
        found.cause,
        "SQLite deletes an in-memory database with its last connection; the next connection opens an empty one"
    );
    assert!(
        found
            .notes
            .iter()
            .any(|note| note.contains("such as a test, loses nothing"))
    );
}

#[tokio::test]
async fn only_the_timeouts_that_are_set_are_named() {
    let minute = Duration::from_mins(1);
    let idle = about(advised().idle_timeout(minute).connect("sqlite::memory:")).await;
    assert!(
        idle.title
            .ends_with("last connection: after 60.0 s without use"),
        "{}",
        idle.render()
    );
    let old = about(advised().max_lifetime(minute).connect("sqlite::memory:")).await;
    assert!(
        old.title.ends_with("last connection: at the age of 60.0 s"),
        "{}",
        old.render()
    );
    assert_eq!(old.facts.len(), 1, "{}", old.render());
}

#[tokio::test]
async fn each_connection_has_a_database_of_its_own() {
    let found = about(async {
        SqlitePoolOptions::new()
            .max_connections(3)
            .connect_with(memory()) // @own
            .await
    })
    .await;
    Says {
        lint: Lint::PoolSettings,
        level: Level::Warn,
        certainty: Certainty::Certain,
        primary: marked("own", "connect_with"),
        function: Some("findings"),
        title: &["pool :memory: may open 3 connections, and each has an in-memory database of its own"],
        related: &[],
        facts: &["max_connections 3"],
        help: &[
            "`\"sqlite::memory:\".parse::<SqliteConnectOptions>()?`, with `.idle_timeout(None).max_lifetime(None)`",
            "`.max_connections(1).idle_timeout(None).max_lifetime(None)`",
        ],
    }
    .check(&found);
}

/// Several connections are right where they share the database, and one connection is right where they do not.
#[tokio::test]
async fn the_advised_code_is_right() {
    assert_right(advised(), "sqlite::memory:").await;
    assert_right(advised().max_connections(1), "sqlite::memory:").await;
    let shared: SqliteConnectOptions = "sqlite::memory:".parse().unwrap();
    let (pool, found) = findings(advised().connect_with(shared)).await;
    pool.unwrap();
    assert_none(&found);
    let (pool, found) = findings(advised().max_connections(1).connect_with(memory())).await;
    pool.unwrap();
    assert_none(&found);

    let directory = tempfile::tempdir().unwrap();
    let file = format!(
        "sqlite://{}?mode=rwc",
        directory.path().join("data.db").display()
    );
    assert_right(SqlitePoolOptions::new(), &file).await;
}

/// With a database of each connection's own, one connection still goes at its age.
#[tokio::test]
async fn one_connection_is_not_enough() {
    let one = SqlitePoolOptions::new().max_connections(1);
    let found = about(one.connect_with(memory())).await;
    assert!(found.title.contains("loses its in-memory database"));
    assert_eq!(found.certainty, Certainty::Certain, "{}", found.render());
}

/// Another connection that has the options may keep the database.
#[tokio::test]
async fn a_database_that_others_can_open_is_only_likely_to_go() {
    let shared: SqliteConnectOptions = "sqlite::memory:".parse().unwrap();
    let found = about(SqlitePool::connect_with(shared)).await;
    assert_eq!(found.certainty, Certainty::Likely, "{}", found.render());
    let found = about(SqlitePool::connect("sqlite:file:likely?mode=memory")).await;
    assert_eq!(found.certainty, Certainty::Likely, "{}", found.render());
    let says = "as long as any connection to it is open";
    assert!(found.notes.iter().any(|note| note.contains(says)));
}

#[tokio::test]
async fn a_minimum_of_two_keeps_a_shared_database() {
    let minimum = |number| {
        SqlitePoolOptions::new()
            .min_connections(number)
            .max_lifetime(None)
    };
    assert_right(minimum(2), "sqlite::memory:").await;
    // The maximum bounds it.
    let found = about(minimum(2).max_connections(1).connect("sqlite::memory:")).await;
    assert!(found.title.contains("without use"), "{}", found.render());
    let found = about(minimum(1).connect("sqlite::memory:")).await;
    let says = "`min_connections(1)` does not keep the database";
    assert!(found.notes.iter().any(|note| note.contains(says)));
    let aged = minimum(2)
        .idle_timeout(None)
        .max_lifetime(Duration::from_mins(30));
    let found = about(aged.connect("sqlite::memory:")).await;
    assert!(found.title.contains("at the age of"), "{}", found.render());
}

#[tokio::test]
async fn databases_of_servers_are_kept() {
    let ((), found) = findings(async {
        PgPool::connect_lazy("postgres://localhost/shop").unwrap();
        let several = PgPoolOptions::new().max_connections(9);
        several.connect_lazy("postgres://localhost/memory").unwrap();
        let mysql = MySqlPoolOptions::new().max_connections(9);
        mysql.connect_lazy("mysql://localhost/shop").unwrap();
    })
    .await;
    assert_none(&found);
}

/// Plain sqlx's pool was made elsewhere, perhaps by code that keeps the database.
#[tokio::test]
async fn a_pool_of_plain_sqlx_is_not_judged() {
    let plain = plain_sqlx::SqlitePool::connect("sqlite::memory:")
        .await
        .unwrap();
    let (_, found) = findings(async { SqlitePool::from(plain) }).await;
    assert_none(&found);
}

#[sqlx::test]
async fn the_databases_of_sqlx_test_are_files(
    options: SqlitePoolOptions,
    database: SqliteConnectOptions,
) {
    let (pool, found) = findings(options.connect_with(database)).await;
    pool.unwrap();
    assert_none(&found);
}

#[tokio::test]
async fn a_connect_that_fails_makes_no_pool() {
    let nowhere = SqlitePool::connect("sqlite://nowhere/data.db");
    let (pool, found) = findings(nowhere).await;
    pool.unwrap_err();
    assert_none(&found);
    let (pool, found) = findings(SqlitePool::connect("sqlite::memory:?mode=nothing")).await;
    pool.unwrap_err();
    assert_none(&found);
}

#[tokio::test]
async fn of_any_database() {
    sqlx::any::install_default_drivers();
    let found = about(sqlx::AnyPool::connect("sqlite::memory:")).await;
    assert!(
        found
            .title
            .contains("10 connections, and each has an in-memory database")
    );
    assert_helps(&found, "\"sqlite:file:NAME?mode=memory\"");
    let found = about(sqlx::AnyPool::connect("sqlite:file:of_any?mode=memory")).await;
    assert_helps(&found, "AnyPoolOptions::new().idle_timeout(None)");
}
