//! Programs that compile with sqlx but not with sqlx-leash and `track`: its limits, each in its smallest form.
//!
//! Compiled and run with sqlx and with sqlx-leash without `track`. A program that `track` learns to accept moves into
//! the corpus.

use futures::future::BoxFuture;
use sqlx::migrate::Migrator;
use sqlx::pool::PoolConnection;
use sqlx::{Acquire, Database, Error, Pool, Sqlite, SqliteConnection, Transaction};

use super::clinic;

static MIGRATOR: Migrator = sqlx::migrate!("./corpus/migrations");

trait Count {
    async fn count(&mut self) -> sqlx::Result<i64>;
}

impl Count for SqliteConnection {
    async fn count(&mut self) -> sqlx::Result<i64> {
        sqlx::query_scalar("SELECT COUNT(*) FROM patient")
            .fetch_one(self)
            .await
    }
}

async fn counted(counts: &mut impl Count) -> sqlx::Result<i64> {
    counts.count().await
}

/// A type parameter accepts the target of a pooled connection's deref: the driver's connection with sqlx, ours with
/// `track`.
#[tokio::test]
async fn a_type_parameter_for_what_a_handle_derefs_to() -> sqlx::Result<()> {
    let pool = clinic::in_memory().await;
    let mut conn = pool.acquire().await?;
    assert_eq!(counted(&mut *conn).await?, 3);
    Ok(())
}

#[tokio::test]
async fn the_migrator_on_what_a_handle_derefs_to() -> Result<(), Box<dyn std::error::Error>> {
    let pool = sqlx::SqlitePool::connect("sqlite::memory:").await?;
    let mut conn = pool.acquire().await?;
    MIGRATOR.run_direct(None, &mut *conn, false).await?;
    Ok(())
}

/// With `track`, the connection of `Acquire` derefs to that of any database, and a `PoolConnection` to that of its own
/// database.
struct Named<DB: Database>(Pool<DB>);

impl<'a, DB: Database> Acquire<'a> for &'_ Named<DB> {
    type Database = DB;
    type Connection = PoolConnection<DB>;

    fn acquire(self) -> BoxFuture<'a, Result<Self::Connection, Error>> {
        Box::pin(self.0.acquire())
    }

    fn begin(self) -> BoxFuture<'a, Result<Transaction<'a, DB>, Error>> {
        let pool = self.0.clone();
        Box::pin(async move { pool.begin().await })
    }
}

async fn acquired<'a>(from: impl Acquire<'a, Database = Sqlite>) -> sqlx::Result<i64> {
    from.acquire().await?.count().await
}

#[tokio::test]
async fn a_pooled_connection_as_the_connection_of_acquire() -> sqlx::Result<()> {
    let named = Named(clinic::in_memory().await);
    assert_eq!(acquired(&named).await?, 3);
    (&named).begin().await?.commit().await
}
