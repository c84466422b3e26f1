//! Throw-away PostgreSQL and MariaDB servers, and a database of its own for every test.
//!
//! ```no_run
//! # async fn test() {
//! let Some(db) = leash_test_support::postgres().await else { return };
//! let url: &str = db.url();
//! # }
//! ```
//!
//! A server is `LEASH_TEST_POSTGRES_URL` or `LEASH_TEST_MYSQL_URL` where that is set (a role that may create databases), else one that is
//! started from the installed binaries: in a private directory, on a free port of the loopback interface, once per
//! test process, gone with it however it ends. Without either, the test says on the real stderr, which the test
//! harness does not capture, that it was skipped; or fails where `LEASH_TEST_REQUIRE=postgres,mysql` names the server.
//!
//! [`own_postgres`] and [`own_mysql`] start one more for a test that stops it: always from the installed binaries.

mod install;
mod server;
mod watchdog;

use std::env;
use std::io::Write as _;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use sqlx::{AssertSqlSafe, Connection, MySqlConnection, PgConnection};
use tokio::sync::OnceCell;

use server::{Own, Server};

/// A database server that tests can run against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Postgres,
    MySql,
}

impl Kind {
    /// The name in `LEASH_TEST_REQUIRE`, the scheme of the URL.
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

/// A database of its own for one test, dropped with this value.
#[derive(Debug)]
pub struct Db {
    kind: Kind,
    name: String,
    url: String,
    /// Where the database was made, if the server outlives this process; a throw-away server takes it along.
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
        // A thread, because a destructor cannot await; joined, because the process may end with this test.
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

/// A fresh PostgreSQL database, or `None` where there is no server, after saying so.
///
/// # Panics
///
/// If there is no server and `LEASH_TEST_REQUIRE` names `postgres`, or if the server refuses a database.
pub async fn postgres() -> Option<Db> {
    static SERVER: OnceCell<Result<Server, String>> = OnceCell::const_new();
    database(Kind::Postgres, &SERVER).await
}

/// A fresh MariaDB or MySQL database, or `None` where there is no server, after saying so.
///
/// # Panics
///
/// If there is no server and `LEASH_TEST_REQUIRE` names `mysql`, or if the server refuses a database.
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

/// A server that one test has for itself, and may stop and start.
#[derive(Debug)]
pub struct OwnServer(Own);

impl OwnServer {
    /// The URL of a database on it.
    pub fn url(&self) -> &str {
        self.0.url()
    }

    /// Stops it in its orderly way, which ends every session, and waits until it is gone.
    ///
    /// # Panics
    ///
    /// If it is stopped already, or does not stop.
    pub async fn stop(&mut self) {
        self.0.stop().await.expect("the server stops");
    }

    /// Starts it again with what it has stored, at the same address, and waits until it accepts connections.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub async fn start(&mut self) {
        self.0.start_again().await.expect("the server starts again");
    }
}

/// A PostgreSQL server of the caller's own, or `None` where none is installed, after saying so.
///
/// # Panics
///
/// If none can be started, none is given by its URL, and `LEASH_TEST_REQUIRE` names `postgres`.
pub async fn own_postgres() -> Option<OwnServer> {
    own(Kind::Postgres).await
}

/// A MariaDB server of the caller's own, or `None` where none is installed, after saying so.
///
/// # Panics
///
/// If none can be started, none is given by its URL, and `LEASH_TEST_REQUIRE` names `mysql`.
pub async fn own_mysql() -> Option<OwnServer> {
    own(Kind::MySql).await
}

async fn own(kind: Kind) -> Option<OwnServer> {
    match Own::new(kind).await {
        Ok(own) => Some(OwnServer(own)),
        Err(reason) => {
            // Who gives a server may have no other: that one is not the test's to stop.
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
    // Relaxed: only the number itself is shared.
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
            // `template0`, because a connection to the default template would make this wait.
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
            // A test's pool may still be connected: its runtime waits for us and cannot close it.
            sqlx::raw_sql(AssertSqlSafe(format!(
                "DROP DATABASE IF EXISTS {name} WITH (FORCE)"
            )))
            .execute(&mut conn)
            .await?;
            conn.close().await
        }
        Kind::MySql => {
            let mut conn = MySqlConnection::connect(admin).await?;
            // An open transaction of a test's pool would hold its tables for ever.
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

/// Writes a line to the real stderr: the harness captures `eprintln!`, and not what is written to the stream itself.
pub fn say(line: &str) {
    // One write, so that lines of parallel tests do not mix; a closed stderr is nobody's failure.
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}
