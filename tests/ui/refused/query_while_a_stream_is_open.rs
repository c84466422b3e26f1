//! Nor a query beside an open stream.

#![allow(dead_code)]

use futures::TryStreamExt;
use sqlx::SqlitePool;

async fn program(pool: SqlitePool) -> sqlx::Result<()> {
    let mut conn = pool.acquire().await?;
    let mut rows = sqlx::query("SELECT 1").fetch(&mut *conn);
    while rows.try_next().await?.is_some() {
        sqlx::query("SELECT 2").execute(&mut *conn).await?;
    }
    Ok(())
}

fn main() {}
