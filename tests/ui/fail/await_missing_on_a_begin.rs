//! A handle that is used before it is there.

use sqlx::{SqlitePool, track};

#[track]
async fn find(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin();
    sqlx::query("SELECT 1").execute(&mut *tx).await?;
    tx.commit().await
}

fn main() {}
