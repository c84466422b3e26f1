//! A pool by value.

use sqlx::sqlite::SqliteRow;
use sqlx::{SqlitePool, track};

#[track]
async fn at_once(pool: SqlitePool) -> sqlx::Result<SqliteRow> {
    sqlx::query("SELECT 1").fetch_one(pool).await
}

fn main() {}
