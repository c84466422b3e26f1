//! Throw-away PostgreSQL and MariaDB servers, with a separate database for each test.
//!
//! ```no_run
//! # async fn test() {
//! let Some(db) = leash_test_support::postgres().await else { return };
//! let url: &str = db.url();
//! # }
//! ```
//!
//! If `LEASH_TEST_POSTGRES_URL` or `LEASH_TEST_MYSQL_URL` is set, tests use the server at that URL, whose role must be
//! allowed to create databases. Otherwise each test process starts one server from the installed binaries, in a private
//! directory and on a free port of the loopback interface. This server ends with the process, however the process ends.
//!
//! Without a server, the test prints to the real stderr, which the test harness does not capture, that it was
//! skipped. If `LEASH_TEST_REQUIRE=postgres,mysql` names the server, the test fails instead.
//!
//! [`prometheus`] starts a Prometheus, in the same way; `LEASH_TEST_REQUIRE=prometheus` requires it.
//!
//! [`own_postgres`] and [`own_mysql`] start a separate server for a test that stops it. They always use the installed
//! binaries.

mod install;
mod prometheus;
mod refused;
mod server;
mod watchdog;

use std::env;
use std::io::Write as _;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use sqlx::{AssertSqlSafe, Connection, MySqlConnection, PgConnection};
use tokio::sync::OnceCell;

pub use prometheus::{Prometheus, prometheus, promtool};
pub use refused::refused;
use server::{Own, Server};

/// A database server that tests can run against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Postgres,
    MySql,
}

impl Kind {
    /// The name in `LEASH_TEST_REQUIRE`, which is also the scheme of the URL.
    fn name(self) -> &'static str {
        match self {
            Kind::Postgres => "postgres",
            Kind::MySql => "mysql",
        }
    }

    fn variable(self) -> &'static str {
        match self {
            Kind::Postgres => "LEASH_TEST_POSTGRES_URL",
            Kind::MySql => "LEASH_TEST_MYSQL_URL",
        }
    }
}

/// A database for one test, dropped with this value.
#[derive(Debug)]
pub struct Db {
    kind: Kind,
    name: String,
    url: String,
    /// The URL to drop the database with, if the server outlives this process. A throw-away server needs none.
    admin: Option<String>,
}

impl Db {
    /// The URL of the database.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The name of the database.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        let Some(admin) = self.admin.take() else {
            return;
        };
        let (kind, name) = (self.kind, self.name.clone());
        // A destructor cannot await, so this is a thread. It is joined because the process may end with this test.
        let dropped = thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(sqlx::Error::Io)?
                .block_on(drop_database(kind, &admin, &name))
        });
        match dropped.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => say(&format!(
                "the test database {} stays behind: {error}",
                self.name
            )),
            Err(_) => say(&format!("the test database {} stays behind", self.name)),
        }
    }
}

/// Creates a PostgreSQL database. Without a server, prints that the test is skipped and returns `None`.
///
/// # Panics
///
/// Panics if there is no server and `LEASH_TEST_REQUIRE` names `postgres`, or if the server does not create a database.
pub async fn postgres() -> Option<Db> {
    static SERVER: OnceCell<Result<Server, String>> = OnceCell::const_new();
    database(Kind::Postgres, &SERVER).await
}

/// Creates a MariaDB or MySQL database. Without a server, prints that the test is skipped and returns `None`.
///
/// # Panics
///
/// Panics if there is no server and `LEASH_TEST_REQUIRE` names `mysql`, or if the server does not create a database.
pub async fn mysql() -> Option<Db> {
    static SERVER: OnceCell<Result<Server, String>> = OnceCell::const_new();
    database(Kind::MySql, &SERVER).await
}

async fn database(kind: Kind, server: &'static OnceCell<Result<Server, String>>) -> Option<Db> {
    let server = server
        .get_or_init(|| async {
            match env::var(kind.variable()) {
                Ok(url) if !url.is_empty() => Ok(Server::Given(url)),
                _ => Own::new(kind).await.map(Server::Ours),
            }
        })
        .await;
    match server {
        Ok(server) => Some(fresh(kind, server).await),
        Err(reason) => {
            assert!(
                !required(kind),
                "LEASH_TEST_REQUIRE names {}, and there is none: {reason}",
                kind.name()
            );
            skip(&format!("no {} server: {reason}", kind.name()));
            None
        }
    }
}

/// A server that only one test uses. The test may stop and start it.
#[derive(Debug)]
pub struct OwnServer(Own);

impl OwnServer {
    /// The URL of a database on this server.
    pub fn url(&self) -> &str {
        self.0.url()
    }

    /// Shuts the server down, which ends every session, and waits until its process has ended.
    ///
    /// # Panics
    ///
    /// Panics if the server is stopped already, or does not stop.
    pub async fn stop(&mut self) {
        self.0.stop().await.expect("the server stops");
    }

    /// Starts the server again with its data, at the same address, and waits until it accepts connections.
    ///
    /// # Panics
    ///
    /// Panics if the server does not start.
    pub async fn start(&mut self) {
        self.0.start_again().await.expect("the server starts again");
    }
}

/// Starts a PostgreSQL server for the caller. If none is installed, prints that the test is skipped and returns `None`.
///
/// # Panics
///
/// Panics if no server can be started, its URL is not set, and `LEASH_TEST_REQUIRE` names `postgres`.
pub async fn own_postgres() -> Option<OwnServer> {
    own(Kind::Postgres).await
}

/// Starts a MariaDB server for the caller. If none is installed, prints that the test is skipped and returns `None`.
///
/// # Panics
///
/// Panics if no server can be started, its URL is not set, and `LEASH_TEST_REQUIRE` names `mysql`.
pub async fn own_mysql() -> Option<OwnServer> {
    own(Kind::MySql).await
}

async fn own(kind: Kind) -> Option<OwnServer> {
    match Own::new(kind).await {
        Ok(own) => Some(OwnServer(own)),
        Err(reason) => {
            // Where a URL is set, no server may be installed, and the test must not stop the one at the URL.
            let is_given = env::var(kind.variable()).is_ok_and(|url| !url.is_empty());
            assert!(
                is_given || !required(kind),
                "LEASH_TEST_REQUIRE names {}, and none can be started: {reason}",
                kind.name()
            );
            skip(&format!("no {} server to stop: {reason}", kind.name()));
            None
        }
    }
}

fn skip(why: &str) {
    let test = thread::current().name().unwrap_or("a test").to_owned();
    say(&format!("SKIPPED {test}: {why}"));
}

fn required(kind: Kind) -> bool {
    env::var("LEASH_TEST_REQUIRE")
        .is_ok_and(|names| names.split(',').any(|name| name.trim() == kind.name()))
}

async fn fresh(kind: Kind, server: &Server) -> Db {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    // Relaxed: the number publishes no other memory.
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("leash_{}_{number}", process::id());
    let admin = server.url();
    create_database(kind, admin, &name)
        .await
        .unwrap_or_else(|error| {
            panic!(
                "the {} server gave no database `{name}`: {error}",
                kind.name()
            )
        });
    Db {
        kind,
        url: server::with_database(admin, &name),
        name,
        admin: (!server.is_ours()).then(|| admin.to_owned()),
    }
}

async fn create_database(kind: Kind, admin: &str, name: &str) -> sqlx::Result<()> {
    match kind {
        Kind::Postgres => {
            let mut conn = PgConnection::connect(admin).await?;
            // `template0`, because a connection to the default template would block this statement.
            sqlx::raw_sql(AssertSqlSafe(format!(
                "CREATE DATABASE {name} TEMPLATE template0"
            )))
            .execute(&mut conn)
            .await?;
            conn.close().await
        }
        Kind::MySql => {
            let mut conn = MySqlConnection::connect(admin).await?;
            sqlx::raw_sql(AssertSqlSafe(format!(
                "CREATE DATABASE {name} CHARACTER SET utf8mb4"
            )))
            .execute(&mut conn)
            .await?;
            conn.close().await
        }
    }
}

async fn drop_database(kind: Kind, admin: &str, name: &str) -> sqlx::Result<()> {
    match kind {
        Kind::Postgres => {
            let mut conn = PgConnection::connect(admin).await?;
            // The test's pool may still be connected: its runtime waits for this thread and cannot close the pool.
            sqlx::raw_sql(AssertSqlSafe(format!(
                "DROP DATABASE IF EXISTS {name} WITH (FORCE)"
            )))
            .execute(&mut conn)
            .await?;
            conn.close().await
        }
        Kind::MySql => {
            let mut conn = MySqlConnection::connect(admin).await?;
            // An open transaction of the test's pool would lock its tables indefinitely.
            sqlx::raw_sql("SET lock_wait_timeout = 5")
                .execute(&mut conn)
                .await?;
            sqlx::raw_sql(AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name}")))
                .execute(&mut conn)
                .await?;
            conn.close().await
        }
    }
}

/// Writes a line to the real stderr. The harness captures `eprintln!`, but not what is written to the stream itself.
pub fn say(line: &str) {
    // A single write keeps the lines of parallel tests apart. A closed stderr is not an error.
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}
