//! A reference that is returned as one that lives longer.

use sqlx::{SqlitePool, track};

#[track]
async fn one_of_two<'a, 'b>(x: &'a str, y: &'b str) -> &'a str {
    if x.is_empty() { y } else { x }
}

#[track]
fn promised(pool: &SqlitePool) -> impl Future<Output = sqlx::Result<i64>> + 'static {
    async move { sqlx::query_scalar("SELECT 1").fetch_one(pool).await }
}

fn main() {}
