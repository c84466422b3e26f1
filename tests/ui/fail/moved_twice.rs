//! Values that are gone.

use sqlx::{SqlitePool, track};

#[track]
async fn find(text: String, pool: &SqlitePool) -> sqlx::Result<(String, String)> {
    let tx = pool.begin().await?;
    tx.commit().await?;
    tx.rollback().await?;
    Ok((text, text))
}

fn main() {}
