//! `begin` on a transaction is a method of a trait.

#![allow(dead_code)]

use sqlx::{Sqlite, Transaction};

async fn program(tx: &mut Transaction<'_, Sqlite>) -> sqlx::Result<()> {
    tx.begin().await?.commit().await
}

fn main() {}
