//! A body that ends in the wrong type.

use sqlx::{SqlitePool, track};

#[track]
async fn find(pool: &SqlitePool) -> sqlx::Result<u32> {
    sqlx::query("SELECT 1").execute(pool).await?;
    "text"
}

fn main() {}
