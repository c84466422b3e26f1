//! The outer transaction waits for the inner one.

#![allow(dead_code)]

use sqlx::{Acquire, SqlitePool};

async fn program(pool: SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    let savepoint = tx.begin().await?;
    sqlx::query("SELECT 1").execute(&mut *tx).await?;
    savepoint.commit().await?;
    tx.commit().await
}

fn main() {}
