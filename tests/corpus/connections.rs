//! Connections with and without a pool.

use std::ops::DerefMut;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{ConnectOptions, Connection, Executor, Sqlite, SqliteConnection};

use super::clinic::{self, Patient};

async fn ada(conn: &mut SqliteConnection) -> sqlx::Result<Patient> {
    sqlx::query_as("SELECT id, name, age FROM patient WHERE name = 'Ada'")
        .fetch_one(conn)
        .await
}

async fn twice(conn: &mut SqliteConnection) -> sqlx::Result<(Patient, Patient)> {
    Ok((ada(conn).await?, ada(&mut *conn).await?))
}

#[tokio::test]
async fn a_parameter_that_is_the_drivers_connection() -> sqlx::Result<()> {
    let pool = clinic::in_memory().await;
    let mut conn = pool.acquire().await?;
    assert_eq!(ada(&mut conn).await?.id, 1);
    assert_eq!(ada(&mut *conn).await?.id, 1);
    assert_eq!(ada(conn.as_mut()).await?.id, 1);
    assert_eq!(ada(conn.deref_mut()).await?.id, 1);
    assert_eq!(twice(&mut conn).await?.1.age, Some(36));

    let plain: &mut SqliteConnection = &mut conn;
    plain.execute("SELECT 1").await?;
    ada(plain).await?;
    let shared: &SqliteConnection = &conn;
    assert!(!shared.is_in_transaction());
    let shared: &SqliteConnection = conn.as_ref();
    assert!(!shared.is_in_transaction());
    Ok(())
}

#[tokio::test]
async fn methods_of_the_connection_trait() -> sqlx::Result<()> {
    let pool = clinic::in_memory().await;
    let mut conn = pool.acquire().await?;
    conn.ping().await?;
    ada(&mut conn).await?;
    // SQLite's worker thread updates its counter after it has answered. Once it answers this ping, the counter is up to
    // date.
    conn.ping().await?;
    assert!(conn.cached_statements_size() > 0);
    conn.clear_cached_statements().await?;
    assert_eq!(conn.cached_statements_size(), 0);
    conn.shrink_buffers();
    assert!(!conn.is_in_transaction());
    Ok(())
}

#[tokio::test]
async fn close_hands_the_permit_back() -> sqlx::Result<()> {
    let pool = clinic::open(1).await;
    pool.acquire().await?.close().await?;
    assert_eq!(pool.size(), 0);
    let conn = pool.acquire().await?;
    Connection::close(conn.detach()).await?;
    assert_eq!(pool.size(), 0);
    assert_eq!(clinic::patients(&pool).await, 3);
    Ok(())
}

#[tokio::test]
async fn detach_makes_room() -> sqlx::Result<()> {
    let pool = clinic::open(1).await;
    let mut detached: SqliteConnection = pool.acquire().await?.detach();
    // The pool of one connection has room for another.
    let mut pooled = pool.acquire().await?;
    assert_eq!(ada(&mut detached).await?, ada(&mut pooled).await?);
    detached.close().await
}

#[tokio::test]
async fn leak_does_not() -> sqlx::Result<()> {
    let directory = tempfile::tempdir().unwrap();
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(Duration::from_millis(50))
        .connect_with(clinic::file_options(&directory))
        .await?;
    let mut leaked: SqliteConnection = pool.acquire().await?.leak();
    leaked.execute("SELECT 1").await?;
    let error = pool.acquire().await.unwrap_err();
    assert!(matches!(error, sqlx::Error::PoolTimedOut));
    Ok(())
}

#[tokio::test]
async fn close_on_drop() -> sqlx::Result<()> {
    let pool = clinic::in_memory().await;
    let mut conn = pool.acquire().await?;
    conn.close_on_drop();
    drop(conn);
    // Another connection has its own in-memory database.
    let error = pool.execute("SELECT * FROM patient").await.unwrap_err();
    assert!(error.to_string().contains("no such table"), "{error}");
    Ok(())
}

#[tokio::test]
async fn without_a_pool() -> sqlx::Result<()> {
    let mut conn = SqliteConnection::connect("sqlite::memory:").await?;
    conn.execute(clinic::SCHEMA).await?;
    assert_eq!(ada(&mut conn).await?.name, "Ada");
    conn.close().await?;

    let options = SqliteConnectOptions::new().in_memory(true);
    let mut conn = options.connect().await?;
    conn.execute("SELECT 1").await?;
    drop(conn);
    let mut conn = SqliteConnection::connect_with(&options).await?;
    let answer: i64 = sqlx::query_scalar("SELECT 42").fetch_one(&mut conn).await?;
    assert_eq!(answer, 42);
    conn.close().await
}

async fn closes<C: Connection>(conn: C) -> sqlx::Result<()> {
    conn.close().await
}

async fn pings<C>(conn: &mut C) -> sqlx::Result<bool>
where
    C: Connection,
{
    conn.ping().await?;
    Ok(conn.is_in_transaction())
}

#[tokio::test]
async fn generic_over_the_connection() -> sqlx::Result<()> {
    let pool = clinic::in_memory().await;
    let mut conn = pool.acquire().await?;
    assert!(!pings(conn.as_mut()).await?);
    closes(conn.detach()).await?;
    closes(SqliteConnection::connect("sqlite::memory:").await?).await
}

#[tokio::test]
async fn a_connection_in_a_struct() -> sqlx::Result<()> {
    struct Session {
        conn: PoolConnection<Sqlite>,
        queries: u32,
    }

    impl Session {
        async fn count(&mut self) -> sqlx::Result<i64> {
            self.queries += 1;
            sqlx::query_scalar("SELECT COUNT(*) FROM patient")
                .fetch_one(&mut *self.conn)
                .await
        }

        async fn ada(&mut self) -> sqlx::Result<Patient> {
            self.queries += 1;
            ada(&mut self.conn).await
        }
    }

    let pool = clinic::in_memory().await;
    let mut session = Session {
        conn: pool.acquire().await?,
        queries: 0,
    };
    assert_eq!(session.count().await?, 3);
    assert_eq!(session.ada().await?.id, 1);
    assert_eq!(session.queries, 2);
    assert!(format!("{:?}", session.conn).starts_with("PoolConnection"));
    Ok(())
}

#[tokio::test]
async fn connections_in_collections() -> sqlx::Result<()> {
    let pool = clinic::open(4).await;
    let mut connections = Vec::new();
    for _ in 0..3 {
        connections.push(pool.acquire().await?);
    }
    let mut sum = 0;
    for conn in &mut connections {
        sum += ada(conn).await?.id;
    }
    for conn in connections.iter_mut().skip(1) {
        sum += ada(&mut *conn).await?.id;
    }
    assert_eq!(sum, 5);
    let mut last: Option<PoolConnection<Sqlite>> = connections.pop();
    if let Some(conn) = last.as_mut() {
        ada(conn).await?;
    }
    if let Some(conn) = last.as_deref_mut() {
        ada(conn).await?;
    }
    let boxed: Box<PoolConnection<Sqlite>> = Box::new(last.take().expect("just put there"));
    let mut conn = *boxed;
    ada(&mut conn).await?;
    Ok(())
}

#[tokio::test]
async fn the_handle_of_sqlite_itself() -> sqlx::Result<()> {
    let pool = clinic::in_memory().await;
    let mut conn = pool.acquire().await?;
    let mut handle = conn.lock_handle().await?;
    assert_eq!(handle.as_raw_handle(), handle.as_raw_handle());
    drop(handle);
    let image = conn.serialize(None).await?;
    assert!(image.len() > 1000);
    let mut tx = pool_free(conn).await?;
    tx.execute("SELECT 1").await?;
    Ok(())
}

async fn pool_free(conn: PoolConnection<Sqlite>) -> sqlx::Result<SqliteConnection> {
    Ok(conn.detach())
}
