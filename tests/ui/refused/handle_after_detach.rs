//! Detach takes the handle.

#![allow(dead_code)]

use sqlx::SqlitePool;

async fn program(pool: SqlitePool) -> sqlx::Result<()> {
    let mut conn = pool.acquire().await?;
    let detached = conn.detach();
    conn.close_on_drop();
    drop(detached);
    Ok(())
}

fn main() {}
