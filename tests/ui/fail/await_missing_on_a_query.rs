//! A query that nobody awaits.

use sqlx::{SqlitePool, track};

#[track]
async fn find(pool: &SqlitePool) -> sqlx::Result<i64> {
    let number: i64 = sqlx::query_scalar("SELECT 1").fetch_one(pool)?;
    Ok(number)
}

fn main() {}
