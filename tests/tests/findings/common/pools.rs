//! Pools, and a database that blocks statements for a while.

use std::time::Duration;

use leash_tests::{TestPool, exams};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Connection, SqliteConnection, track};

/// The longest wait of a test for an event that must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A pool of this size on in-memory databases without a table.
pub(crate) async fn bare_pool_of(max_connections: u32) -> TestPool {
    connect(options(max_connections)).await
}

pub(crate) fn options(max_connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(PATIENCE)
        .idle_timeout(None)
        .max_lifetime(None)
}

pub(crate) async fn connect(options: SqlitePoolOptions) -> TestPool {
    TestPool::of(options.connect("sqlite::memory:").await.unwrap())
}

/// A pool of five connections on one in-memory database, with an empty table `exam (id, name)`.
pub(crate) async fn pool() -> TestPool {
    pool_of(5).await
}

/// The same, of this size.
pub(crate) async fn pool_of(max_connections: u32) -> TestPool {
    let options = SqlitePoolOptions::new().max_connections(max_connections);
    TestPool::of(exams(options, "sqlite::memory:".parse().unwrap()).await)
}

/// The same, under a name that is the same in every run, for snapshots.
pub(crate) async fn pool_named(max_connections: u32, name: &str) -> TestPool {
    pool_of(max_connections).await.called(name)
}

/// A database file that one connection has locked: a statement of any other connection blocks until
/// [`open`](Gate::open).
pub(crate) struct Gate {
    pub(crate) pool: TestPool,
    lock: SqliteConnection,
    _directory: tempfile::TempDir,
}

impl Gate {
    pub(crate) async fn closed() -> Self {
        Self::of(2).await
    }

    /// The same with a pool of this size.
    pub(crate) async fn of(max_connections: u32) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let database = SqliteConnectOptions::new()
            .filename(directory.path().join("gate"))
            .create_if_missing(true)
            .busy_timeout(Duration::from_mins(1));
        let options = SqlitePoolOptions::new().max_connections(max_connections);
        let pool = options.connect_with(database.clone()).await.unwrap();
        let mut lock = SqliteConnection::connect_with(&database).await.unwrap();
        sqlx::raw_sql("CREATE TABLE exam (id INTEGER PRIMARY KEY, name TEXT); BEGIN EXCLUSIVE")
            .execute(&mut lock)
            .await
            .unwrap();
        Self {
            pool: TestPool::of(pool),
            lock,
            _directory: directory,
        }
    }

    pub(crate) async fn open(&mut self) {
        sqlx::raw_sql("COMMIT")
            .execute(&mut self.lock)
            .await
            .unwrap();
    }
}

/// A callee that takes a plain connection.
#[track]
pub(crate) async fn reads(conn: &mut SqliteConnection) -> sqlx::Result<()> {
    sqlx::query("SELECT 1").execute(conn).await?;
    Ok(())
}
