//! Misspelled methods.

use sqlx::{SqlitePool, track};

#[track]
async fn find(pool: &SqlitePool) -> sqlx::Result<i64> {
    pool.aquire().await?;
    sqlx::query_scalar("SELECT 1").fetch_two(pool).await
}

fn main() {}
