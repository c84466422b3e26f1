//! A crate that makes plain sqlx's pool.

use sqlx::{Acquire, Sqlite, SqlitePool};

async fn touch(conn: impl Acquire<'_, Database = Sqlite>) -> sqlx::Result<()> {
    conn.acquire().await?;
    Ok(())
}

async fn fixed(pool: plain_sqlx::SqlitePool) -> sqlx::Result<()> {
    touch(&SqlitePool::from(pool)).await
}

async fn refused(pool: plain_sqlx::SqlitePool) -> sqlx::Result<()> {
    touch(&pool).await
}

fn main() {}
