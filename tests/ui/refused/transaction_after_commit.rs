//! Commit takes the transaction.

#![allow(dead_code)]

use sqlx::SqlitePool;

async fn program(pool: SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    tx.commit().await?;
    sqlx::query("SELECT 1").execute(&mut *tx).await?;
    Ok(())
}

fn main() {}
