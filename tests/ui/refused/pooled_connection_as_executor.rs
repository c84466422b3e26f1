//! A pooled connection is no executor; what it derefs to is.

#![allow(dead_code)]

use sqlx::SqlitePool;

async fn program(pool: SqlitePool) -> sqlx::Result<()> {
    let mut conn = pool.acquire().await?;
    sqlx::query("SELECT 1").execute(&mut conn).await?;
    Ok(())
}

fn main() {}
