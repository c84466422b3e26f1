//! Borrows of a handle, passed to generic code or to code that takes the driver's connection.

use sqlx::{Acquire, Connection, Sqlite, SqliteConnection};

use super::clinic;

async fn ping<C: Connection>(conn: &mut C) -> sqlx::Result<()> {
    conn.ping().await
}

async fn begin<C: Connection>(conn: &mut C) -> sqlx::Result<()> {
    conn.begin().await?.rollback().await
}

async fn patients(conn: &mut SqliteConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT COUNT(*) FROM patient")
        .fetch_one(conn)
        .await
}

#[tokio::test]
async fn a_handle_is_a_connection_to_generic_code() -> sqlx::Result<()> {
    let pool = clinic::in_memory().await;
    let mut conn = pool.acquire().await?;
    ping(&mut *conn).await?;
    begin(&mut *conn).await?;
    Connection::begin(&mut *conn).await?.rollback().await?;
    let mut tx = pool_less(conn.detach()).await?;
    assert_eq!(patients(&mut tx).await?, 3);
    Ok(())
}

async fn pool_less(mut conn: SqliteConnection) -> sqlx::Result<SqliteConnection> {
    let mut tx = Connection::begin(&mut conn).await?;
    Connection::begin(&mut *tx).await?.rollback().await?;
    tx.rollback().await?;
    Ok(conn)
}

#[tokio::test]
async fn acquire_returns_a_borrow() -> sqlx::Result<()> {
    let pool = clinic::in_memory().await;
    let mut conn = pool.acquire().await?;
    let again = Acquire::acquire(&mut conn).await?;
    assert_eq!(patients(again).await?, 3);
    again.ping().await?;
    let mut tx = conn.begin().await?;
    let inside = tx.acquire().await?;
    let count: i64 = sqlx::query_scalar::<Sqlite, i64>("SELECT COUNT(*) FROM patient")
        .fetch_one(inside)
        .await?;
    assert_eq!(count, 3);
    tx.rollback().await
}
