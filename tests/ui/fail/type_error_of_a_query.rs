//! A query that gives another type.

use sqlx::{SqlitePool, track};

#[track]
async fn find(pool: &SqlitePool) -> sqlx::Result<String> {
    let number: i64 = sqlx::query_scalar("SELECT 1").fetch_one(pool).await?;
    sqlx::query_scalar::<_, i64>("SELECT ?")
        .bind(number)
        .fetch_one(pool)
        .await
}

fn main() {}
