//! A savepoint is no executor either.

#![allow(dead_code)]

use sqlx::{Acquire, Sqlite, Transaction};

async fn program(tx: &mut Transaction<'_, Sqlite>) -> sqlx::Result<()> {
    let mut savepoint = tx.begin().await?;
    sqlx::query("SELECT 1").fetch_all(&mut savepoint).await?;
    savepoint.commit().await
}

fn main() {}
