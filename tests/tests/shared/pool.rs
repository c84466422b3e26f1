//! A test's own pool, and whether it is whole after what was done to it.

use std::any::Any;
use std::ops::Deref;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use sqlx::leash::{self, PoolExt, PoolStats};
use sqlx::{Database, Executor, MySqlConnection, PgConnection, Pool, Sqlite, SqliteConnection};

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
    /// Names the pool, and keeps what its database is made of.
    pub(crate) fn new(pool: Pool<DB>, database: impl Any + Send + Sync) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("test pool {}", NUMBER.fetch_add(1, Relaxed));
        Self {
            pool: pool.named(&name),
            name,
            _database: Box::new(database),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn stats(&self) -> PoolStats {
        leash::snapshot()
            .pools
            .into_iter()
            .find(|pool| pool.name == self.name)
            .expect("a pool that lives is listed")
    }

    /// Nothing is held and nobody waits.
    #[track_caller]
    pub(crate) fn assert_empty(&self) {
        let snapshot = leash::snapshot();
        let handles: Vec<_> = snapshot
            .handles
            .iter()
            .filter(|handle| handle.pool == self.name)
            .collect();
        let waiters: Vec<_> = snapshot
            .waiters
            .iter()
            .filter(|waiter| waiter.pool == self.name)
            .collect();
        assert!(handles.is_empty(), "still alive: {handles:#?}");
        assert!(waiters.is_empty(), "still waiting: {waiters:#?}");
    }
}

/// Whether the connection is inside a transaction, by its database's own word.
pub(crate) trait IsInside: Send {
    async fn is_inside(&mut self) -> bool;
}

impl IsInside for SqliteConnection {
    async fn is_inside(&mut self) -> bool {
        // It begins none within another.
        if self.execute("BEGIN").await.is_err() {
            return true;
        }
        self.execute("ROLLBACK").await.unwrap();
        false
    }
}

impl IsInside for PgConnection {
    async fn is_inside(&mut self) -> bool {
        // There are savepoints in a transaction only, and statements in one that has failed are refused for that.
        let error = match self.execute("SAVEPOINT asked").await {
            Ok(_) => return true,
            Err(error) => error.into_database_error().unwrap(),
        };
        match error.code().as_deref() {
            Some("25P01") => false,
            Some("25P02") => true,
            _ => panic!("{error}"),
        }
    }
}

impl IsInside for MySqlConnection {
    async fn is_inside(&mut self) -> bool {
        sqlx::query_scalar::<_, i64>("SELECT CAST(@@in_transaction AS SIGNED)")
            .fetch_one(self)
            .await
            .unwrap()
            == 1
    }
}

/// Every permit is there again, every connection works, and none is inside a transaction.
pub(crate) async fn assert_whole<DB>(pool: &TestPool<DB>, after: &str)
where
    DB: sqlx::Database,
    DB::Connection: IsInside,
{
    pool.assert_empty();
    let mut all = Vec::new();
    for _ in 0..pool.options().get_max_connections() {
        let taken = pool.acquire().await;
        let mut connection =
            taken.unwrap_or_else(|error| panic!("after {after}, the pool is short: {error}"));
        assert!(
            !connection.as_mut().is_inside().await,
            "after {after}, a connection is inside a transaction"
        );
        all.push(connection);
    }
    drop(all);
    pool.assert_empty();
}
