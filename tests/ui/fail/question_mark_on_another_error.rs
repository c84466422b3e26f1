//! `?` on an error that does not convert.

use sqlx::{SqlitePool, track};

struct Mistake;

#[track]
async fn find(pool: &SqlitePool) -> Result<i64, Mistake> {
    pool.acquire().await?;
    Ok(sqlx::query_scalar("SELECT 1").fetch_one(pool).await?)
}

fn main() {}
