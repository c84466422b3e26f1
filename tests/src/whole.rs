//! Assertions that a pool is whole: no permit is lost, and no connection is left in a transaction.

use sqlx::leash;
use sqlx::{Database, Executor, MySqlConnection, PgConnection, SqliteConnection};

use crate::TestPool;

impl<DB: Database> TestPool<DB> {
    /// Asserts that no handle is held and no acquire waits.
    #[track_caller]
    pub fn assert_empty(&self) {
        let handles = self.handles();
        let mut waiters = leash::snapshot().waiters;
        waiters.retain(|waiter| waiter.pool == self.name());
        assert!(handles.is_empty(), "still alive: {handles:#?}");
        assert!(waiters.is_empty(), "still waiting: {waiters:#?}");
    }
}

/// Asks the database whether the connection is inside a transaction.
pub trait IsInside: Send {
    /// Whether the connection is inside a transaction.
    fn is_inside(&mut self) -> impl Future<Output = bool> + Send;
}

impl IsInside for SqliteConnection {
    async fn is_inside(&mut self) -> bool {
        // SQLite does not begin a transaction within another.
        if self.execute("BEGIN").await.is_err() {
            return true;
        }
        self.execute("ROLLBACK").await.unwrap();
        false
    }
}

impl IsInside for PgConnection {
    async fn is_inside(&mut self) -> bool {
        // A savepoint is refused outside a transaction with one error, and inside a failed transaction with another.
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

/// Asserts that every permit is free, that every connection works, and that none is inside a transaction.
pub async fn assert_whole<DB>(pool: &TestPool<DB>, after: &str)
where
    DB: Database,
    DB::Connection: IsInside,
{
    pool.assert_empty();
    let mut all = Vec::new();
    for _ in 0..pool.options().get_max_connections() {
        let taken = pool.acquire().await;
        let mut connection =
            taken.unwrap_or_else(|error| panic!("after {after}, a permit is missing: {error}"));
        assert!(
            !connection.as_mut().is_inside().await,
            "after {after}, a connection is inside a transaction"
        );
        all.push(connection);
    }
    drop(all);
    pool.assert_empty();
}
