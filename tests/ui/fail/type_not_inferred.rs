//! A local of an unknown type.

use sqlx::{SqlitePool, track};

#[track]
async fn find(pool: &SqlitePool) -> sqlx::Result<()> {
    let numbers = Vec::new();
    sqlx::query("SELECT 1").execute(pool).await?;
    Ok(())
}

fn main() {}
