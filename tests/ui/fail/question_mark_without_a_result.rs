//! `?` where nothing can be returned.

use sqlx::{SqlitePool, track};

#[track]
async fn find(pool: &SqlitePool) {
    pool.acquire().await?;
}

fn main() {}
