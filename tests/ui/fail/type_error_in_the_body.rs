//! A wrong type in the middle of a body.

use sqlx::{SqlitePool, track};

#[track]
async fn find(pool: &SqlitePool) -> sqlx::Result<u32> {
    let number: u32 = "text";
    sqlx::query("SELECT 1").execute(pool).await?;
    Ok(number)
}

fn main() {}
