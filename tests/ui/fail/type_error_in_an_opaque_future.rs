//! An opaque future that gives another type.

use sqlx::{SqlitePool, track};

#[track]
fn find(pool: &SqlitePool) -> impl Future<Output = sqlx::Result<u32>> {
    async move {
        sqlx::query("SELECT 1").execute(pool).await?;
        Ok("text")
    }
}

fn main() {}
