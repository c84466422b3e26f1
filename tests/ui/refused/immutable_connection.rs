//! A connection runs queries by mutable reference.

#![allow(dead_code)]

use sqlx::SqlitePool;

async fn program(pool: SqlitePool) -> sqlx::Result<()> {
    let conn = pool.acquire().await?;
    sqlx::query("SELECT 1").execute(&*conn).await?;
    Ok(())
}

fn main() {}
