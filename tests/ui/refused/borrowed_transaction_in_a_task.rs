//! A task may not borrow a transaction.

#![allow(dead_code)]

use sqlx::{Sqlite, Transaction};

async fn program(tx: &mut Transaction<'_, Sqlite>) {
    tokio::spawn(async move {
        sqlx::query("SELECT 1").execute(&mut **tx).await.unwrap();
    });
}

fn main() {}
