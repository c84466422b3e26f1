//! Wrong callers of a tracked function.

use sqlx::{SqlitePool, track};

#[track]
async fn find(pool: &SqlitePool, id: i64) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT ?")
        .bind(id)
        .fetch_one(pool)
        .await
}

async fn wrong_type(pool: &SqlitePool) -> sqlx::Result<i64> {
    find(pool, "text").await
}

async fn too_few(pool: &SqlitePool) -> sqlx::Result<i64> {
    find(pool).await
}

async fn not_awaited(pool: &SqlitePool) -> sqlx::Result<i64> {
    find(pool, 1)
}

fn main() {}
