//! Whether a pool is whole after what was done to it.

use sqlx::leash;
use sqlx::{Database, Executor, MySqlConnection, PgConnection, SqliteConnection};

use crate::TestPool;

impl<DB: Database> TestPool<DB> {
    /// Nothing is held and nobody waits.
    #[track_caller]
    pub fn assert_empty(&self) {
        let handles = self.handles();
        let mut waiters = leash::snapshot().waiters;
        waiters.retain(|waiter| waiter.pool == self.name());
        assert!(handles.is_empty(), "still alive: {handles:#?}");
        assert!(waiters.is_empty(), "still waiting: {waiters:#?}");
    }
}

/// Whether the connection is inside a transaction, by its database's own word.
pub trait IsInside: Send {
    /// Whether it is inside a transaction.
    fn is_inside(&mut self) -> impl Future<Output = bool> + Send;
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
