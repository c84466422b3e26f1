//! A pool is an executor by reference.

#![allow(dead_code)]

use sqlx::SqlitePool;

async fn program(pool: SqlitePool) -> sqlx::Result<()> {
    sqlx::query("SELECT 1").execute(pool).await?;
    Ok(())
}

fn main() {}
