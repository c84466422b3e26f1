//! A pool by value, and a query that was made before.

use sqlx::{SqlitePool, track};

#[track]
async fn in_a_variable(pool: SqlitePool) -> sqlx::Result<i64> {
    let query = sqlx::query_scalar("SELECT 1");
    query.fetch_one(pool).await
}

fn main() {}
