//! A test's own pool.

use std::any::Any;
use std::ops::Deref;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use sqlx::leash::{self, HandleInfo, PoolExt, PoolStats};
use sqlx::{Database, Pool, Sqlite};

/// A pool of its own for each test, known by its name.
pub(crate) struct TestPool<DB: Database = Sqlite> {
    pool: Pool<DB>,
    name: String,
    /// Goes when the pool is gone.
    _database: Box<dyn Any + Send + Sync>,
}

impl<DB: Database> Deref for TestPool<DB> {
    type Target = Pool<DB>;

    fn deref(&self) -> &Pool<DB> {
        &self.pool
    }
}

impl<DB: Database> TestPool<DB> {
    /// Gives the pool a name that no other has, and keeps what its database is made of.
    pub(crate) fn new(pool: Pool<DB>, database: impl Any + Send + Sync) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("test pool {}", NUMBER.fetch_add(1, Relaxed));
        Self::named(&name, pool, database)
    }

    /// The same under this name.
    pub(crate) fn named(name: &str, pool: Pool<DB>, database: impl Any + Send + Sync) -> Self {
        Self {
            pool: pool.named(name),
            name: name.to_owned(),
            _database: Box::new(database),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What is alive of it, oldest first.
    pub(crate) fn handles(&self) -> Vec<HandleInfo> {
        let mut handles = leash::snapshot().handles;
        handles.retain(|handle| handle.pool == self.name);
        handles
    }

    pub(crate) fn stats(&self) -> PoolStats {
        leash::snapshot()
            .pools
            .into_iter()
            .find(|pool| pool.name == self.name)
            .expect("a pool that lives is listed")
    }
}
