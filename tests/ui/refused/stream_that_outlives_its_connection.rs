//! A stream borrows its connection.

#![allow(dead_code)]

use futures::stream::BoxStream;
use sqlx::SqlitePool;
use sqlx::sqlite::SqliteRow;

async fn program(pool: &SqlitePool) -> sqlx::Result<BoxStream<'static, sqlx::Result<SqliteRow>>> {
    let mut conn = pool.acquire().await?;
    Ok(sqlx::query("SELECT 1").fetch(&mut *conn))
}

fn main() {}
