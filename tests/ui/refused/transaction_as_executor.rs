//! A transaction is no executor; what it derefs to is.

#![allow(dead_code)]

use sqlx::SqlitePool;

async fn program(pool: SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    sqlx::query("SELECT 1").execute(&mut tx).await?;
    tx.commit().await
}

fn main() {}
