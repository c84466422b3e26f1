//! A pool for one test.

use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use sqlx::leash::{self, HandleInfo, PoolExt, PoolStats};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Database, Pool, Sqlite, SqlitePool};

use crate::until;

/// A transaction with no borrowed lifetime.
pub type Tx = sqlx::SqliteTransaction<'static>;

/// A query that returns a hundred rows and reads no table.
pub const HUNDRED: &str =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) SELECT i FROM n";

/// A pool on one database, in memory unless the options name a file, with an empty table `exam (id, name)`.
pub async fn exams(options: SqlitePoolOptions, database: SqliteConnectOptions) -> SqlitePool {
    // An in-memory database lives as long as its last connection.
    let options = options
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None);
    let pool = options.connect_with(database).await.unwrap();
    sqlx::raw_sql("CREATE TABLE exam (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
        .execute(pool.as_sqlx())
        .await
        .unwrap();
    pool
}

/// A pool on one in-memory database without a table.
pub async fn in_memory() -> SqlitePool {
    let options = SqlitePoolOptions::new()
        .idle_timeout(None)
        .max_lifetime(None);
    options.connect("sqlite::memory:").await.unwrap()
}

/// A pool with its own database and a name that no other pool has.
pub struct TestPool<DB: Database = Sqlite> {
    pool: Pool<DB>,
    name: String,
    /// Dropped after the pool.
    _database: Box<dyn Any + Send + Sync>,
}

impl<DB: Database> fmt::Debug for TestPool<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl<DB: Database> Deref for TestPool<DB> {
    type Target = Pool<DB>;

    fn deref(&self) -> &Pool<DB> {
        &self.pool
    }
}

impl<DB: Database> TestPool<DB> {
    /// Gives the pool a unique name, and keeps `database` alive as long as the pool.
    pub fn new(pool: Pool<DB>, database: impl Any + Send + Sync) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("test pool {}", NUMBER.fetch_add(1, Relaxed));
        Self::named(&name, pool, database)
    }

    /// The same under the given name.
    pub fn named(name: &str, pool: Pool<DB>, database: impl Any + Send + Sync) -> Self {
        Self {
            pool: pool.named(name),
            name: name.to_owned(),
            _database: Box::new(database),
        }
    }

    /// The pool's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The pool's live handles, oldest first.
    pub fn handles(&self) -> Vec<HandleInfo> {
        let mut handles = leash::snapshot().handles;
        handles.retain(|handle| handle.pool == self.name);
        handles
    }

    /// The pool's row in a snapshot.
    pub fn stats(&self) -> PoolStats {
        leash::snapshot()
            .pools
            .into_iter()
            .find(|pool| pool.name == self.name)
            .expect("a live pool is listed")
    }

    /// Waits until at least this number of permits is held.
    pub async fn has_handles(&self, handles: u64) {
        until("the permits are held", || self.stats().handles >= handles).await;
    }

    /// Waits until at least this number of acquires waits for a permit.
    pub async fn has_waiting(&self, waiters: u64) {
        until("the acquires wait", || self.stats().waiting >= waiters).await;
    }

    /// Waits until at least this number of connections is idle: sqlx returns a connection in a task that it spawns.
    pub async fn has_idle(&self, connections: usize) {
        until("a connection is returned", || {
            self.num_idle() >= connections
        })
        .await;
    }

    /// Asserts that every permit is free: compares the tracker's count with the pool's own.
    pub async fn assert_serves_all(&self) {
        self.assert_empty();
        let mut all = Vec::new();
        for _ in 0..self.options().get_max_connections() {
            let taken = self.acquire().await;
            all.push(taken.expect("the pool serves its full size"));
        }
    }
}
