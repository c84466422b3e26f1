//! A task that borrows from the function that spawns it.

use sqlx::{SqlitePool, track};

#[track]
async fn find(pool: &SqlitePool) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT 1").fetch_one(pool).await
}

fn caller(pool: &SqlitePool) {
    tokio::spawn(find(pool));
}

fn main() {}
