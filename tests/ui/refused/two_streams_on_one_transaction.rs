//! A connection serves one stream at a time.

#![allow(dead_code)]

use futures::TryStreamExt;
use sqlx::SqlitePool;

async fn program(pool: SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    let mut one = sqlx::query("SELECT 1").fetch(&mut *tx);
    let mut two = sqlx::query("SELECT 2").fetch(&mut *tx);
    one.try_next().await?;
    two.try_next().await?;
    Ok(())
}

fn main() {}
