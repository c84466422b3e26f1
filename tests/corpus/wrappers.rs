//! The user's own implementations of `Executor` and `Acquire`.

use std::fmt::Debug;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU32, Ordering};

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use sqlx::pool::PoolConnection;
use sqlx::{
    Acquire, Database, Either, Error, Execute, Executor, Pool, SqlStr, Sqlite, SqliteConnection,
    SqlitePool, Transaction,
};

use super::clinic;

/// Counts the statements that are sent.
#[derive(Debug)]
struct Counting<'p> {
    pool: &'p SqlitePool,
    sent: AtomicU32,
}

impl<'c> Executor<'c> for &'c Counting<'_> {
    type Database = Sqlite;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<
        'e,
        Result<Either<<Sqlite as Database>::QueryResult, <Sqlite as Database>::Row>, Error>,
    >
    where
        'c: 'e,
        E: 'q + Execute<'q, Sqlite>,
    {
        self.sent.fetch_add(1, Ordering::Relaxed);
        self.pool.fetch_many(query)
    }

    fn fetch_optional<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxFuture<'e, Result<Option<<Sqlite as Database>::Row>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Sqlite>,
    {
        self.sent.fetch_add(1, Ordering::Relaxed);
        self.pool.fetch_optional(query)
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [<Sqlite as Database>::TypeInfo],
    ) -> BoxFuture<'e, Result<<Sqlite as Database>::Statement, Error>>
    where
        'c: 'e,
    {
        self.pool.prepare_with(sql, parameters)
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<sqlx::Describe<Sqlite>, Error>>
    where
        'c: 'e,
    {
        self.pool.describe(sql)
    }
}

#[tokio::test]
async fn an_executor_of_ones_own() -> sqlx::Result<()> {
    let pool = clinic::in_memory().await;
    let counting = Counting {
        pool: &pool,
        sent: AtomicU32::new(0),
    };
    let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM patient")
        .fetch_one(&counting)
        .await?;
    assert_eq!(count, 3);
    counting.execute("SELECT 1; SELECT 2").await?;
    assert_eq!(counting.fetch_all("SELECT * FROM exam").await?.len(), 3);
    assert_eq!(counting.sent.load(Ordering::Relaxed), 3);
    Ok(())
}

/// One of several kinds of connection.
#[derive(Debug)]
enum Either3<'c> {
    Pool(SqlitePool),
    Conn(PoolConnection<Sqlite>),
    Tx(Transaction<'c, Sqlite>),
}

impl<'e> Executor<'e> for &'e mut Either3<'_> {
    type Database = Sqlite;

    fn fetch_many<'r, 'q: 'r, E>(
        self,
        query: E,
    ) -> BoxStream<
        'r,
        Result<Either<<Sqlite as Database>::QueryResult, <Sqlite as Database>::Row>, Error>,
    >
    where
        'e: 'r,
        E: 'q + Execute<'q, Sqlite>,
    {
        match self {
            Either3::Pool(pool) => pool.fetch_many(query),
            Either3::Conn(conn) => conn.fetch_many(query),
            Either3::Tx(tx) => (&mut **tx).fetch_many(query),
        }
    }

    fn fetch_optional<'r, 'q: 'r, E>(
        self,
        query: E,
    ) -> BoxFuture<'r, Result<Option<<Sqlite as Database>::Row>, Error>>
    where
        'e: 'r,
        E: 'q + Execute<'q, Sqlite>,
    {
        match self {
            Either3::Pool(pool) => pool.fetch_optional(query),
            Either3::Conn(conn) => conn.fetch_optional(query),
            Either3::Tx(tx) => tx.fetch_optional(query),
        }
    }

    fn prepare_with<'r>(
        self,
        sql: SqlStr,
        parameters: &'r [<Sqlite as Database>::TypeInfo],
    ) -> BoxFuture<'r, Result<<Sqlite as Database>::Statement, Error>>
    where
        'e: 'r,
    {
        match self {
            Either3::Pool(pool) => pool.prepare_with(sql, parameters),
            Either3::Conn(conn) => conn.prepare_with(sql, parameters),
            Either3::Tx(tx) => tx.prepare_with(sql, parameters),
        }
    }

    fn describe<'r>(self, sql: SqlStr) -> BoxFuture<'r, Result<sqlx::Describe<Sqlite>, Error>>
    where
        'e: 'r,
    {
        match self {
            Either3::Pool(pool) => pool.describe(sql),
            Either3::Conn(conn) => conn.describe(sql),
            Either3::Tx(tx) => tx.describe(sql),
        }
    }
}

#[tokio::test]
async fn an_executor_that_is_one_of_several() -> sqlx::Result<()> {
    let pool = clinic::open(3).await;
    let several = [
        Either3::Pool(pool.clone()),
        Either3::Conn(pool.acquire().await?),
        Either3::Tx(pool.begin().await?),
    ];
    for mut one in several {
        let id: i64 = sqlx::query_scalar("SELECT id FROM patient WHERE name = ?")
            .bind("Ada")
            .fetch_one(&mut one)
            .await?;
        assert_eq!(id, 1);
        assert!(
            (&mut one)
                .fetch_optional("SELECT 1 WHERE 0")
                .await?
                .is_none()
        );
    }
    Ok(())
}

/// A pool with a name, which implements `Acquire`.
#[derive(Debug)]
struct Named<DB: Database> {
    name: &'static str,
    pool: Pool<DB>,
}

impl<'a> Acquire<'a> for &'a Named<Sqlite> {
    type Database = Sqlite;
    type Connection = <&'a SqlitePool as Acquire<'a>>::Connection;

    fn acquire(self) -> BoxFuture<'a, Result<Self::Connection, Error>> {
        Acquire::acquire(&self.pool)
    }

    fn begin(self) -> BoxFuture<'a, Result<Transaction<'a, Sqlite>, Error>> {
        Acquire::begin(&self.pool)
    }
}

impl<DB: Database> Deref for Named<DB> {
    type Target = Pool<DB>;

    fn deref(&self) -> &Pool<DB> {
        &self.pool
    }
}

impl AsRef<SqlitePool> for Named<Sqlite> {
    fn as_ref(&self) -> &SqlitePool {
        &self.pool
    }
}

async fn count<'a>(from: impl Acquire<'a, Database = Sqlite>) -> sqlx::Result<i64> {
    let mut conn = from.acquire().await?;
    sqlx::query_scalar("SELECT COUNT(*) FROM patient")
        .fetch_one(&mut *conn)
        .await
}

async fn clear<'a, A: Acquire<'a, Database = Sqlite>>(from: A) -> sqlx::Result<u64> {
    let mut tx = from.begin().await?;
    let done = tx.execute("DELETE FROM exam").await?;
    tx.commit().await?;
    Ok(done.rows_affected())
}

#[tokio::test]
async fn a_pool_in_a_newtype() -> sqlx::Result<()> {
    let named = Named {
        name: "clinic",
        pool: clinic::in_memory().await,
    };
    assert_eq!(count(&named).await?, 3);
    assert_eq!(clear(&named).await?, 3);
    assert_eq!(clear(&*named).await?, 0);
    assert_eq!(clinic::patients(named.as_ref()).await, 3);
    assert_eq!(named.size(), 1);
    named.execute("SELECT 1").await?;
    assert_eq!(named.name, "clinic");
    Ok(())
}

/// A guard around a connection.
struct Guarded(PoolConnection<Sqlite>);

impl Deref for Guarded {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.0
    }
}

impl DerefMut for Guarded {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.0
    }
}

impl AsMut<SqliteConnection> for Guarded {
    fn as_mut(&mut self) -> &mut SqliteConnection {
        &mut self.0
    }
}

async fn by_as_mut(mut conn: impl AsMut<SqliteConnection>) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT COUNT(*) FROM exam")
        .fetch_one(conn.as_mut())
        .await
}

async fn by_deref_mut<C>(mut conn: C) -> sqlx::Result<i64>
where
    C: DerefMut<Target = SqliteConnection>,
{
    sqlx::query_scalar("SELECT COUNT(*) FROM exam")
        .fetch_one(&mut *conn)
        .await
}

#[tokio::test]
async fn a_connection_in_a_newtype() -> sqlx::Result<()> {
    let pool = clinic::open(2).await;
    let mut guarded = Guarded(pool.acquire().await?);
    guarded.execute("SELECT 1").await?;
    sqlx::query("SELECT 1").execute(&mut *guarded).await?;
    assert_eq!(count(&mut *guarded).await?, 3);
    assert_eq!(by_as_mut(guarded).await?, 3);
    assert_eq!(by_deref_mut(Guarded(pool.acquire().await?)).await?, 3);
    assert_eq!(by_as_mut(pool.acquire().await?).await?, 3);
    assert_eq!(by_as_mut(pool.begin().await?).await?, 3);
    Ok(())
}
