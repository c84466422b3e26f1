//! A reference to a local that is returned.

use sqlx::{SqlitePool, track};

#[track]
async fn find(pool: &SqlitePool) -> &str {
    let text = String::new();
    drop(pool.acquire().await);
    &text
}

fn main() {}
