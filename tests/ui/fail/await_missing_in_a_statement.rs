//! Futures that nobody awaits.

#![deny(warnings)]

use sqlx::{SqlitePool, track};

#[track]
async fn other(pool: &SqlitePool) -> sqlx::Result<()> {
    sqlx::query("SELECT 1").execute(pool);
    pool.begin().await?.commit();
    Ok(())
}

#[track]
async fn find(pool: &SqlitePool) -> sqlx::Result<()> {
    other(pool);
    other(pool).await
}

fn main() {}
