//! `.await` in a plain fn.

use sqlx::{SqlitePool, track};

#[track]
fn find(pool: &SqlitePool) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT 1").fetch_one(pool).await
}

fn main() {}
