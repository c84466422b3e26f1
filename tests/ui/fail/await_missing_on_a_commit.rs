//! A commit that nobody awaits.

use sqlx::{SqlitePool, track};

#[track]
async fn save(pool: &SqlitePool) -> sqlx::Result<()> {
    let tx = pool.begin().await?;
    tx.commit()
}

fn main() {}
