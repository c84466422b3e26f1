//! A savepoint must end before its transaction.

#![allow(dead_code)]

use sqlx::{Acquire, SqlitePool};

async fn program(pool: SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    let savepoint = tx.begin().await?;
    tx.commit().await?;
    savepoint.commit().await
}

fn main() {}
