//! Who borrows a transaction cannot commit it.

#![allow(dead_code)]

use sqlx::{Sqlite, Transaction};

async fn program(tx: &mut Transaction<'_, Sqlite>) -> sqlx::Result<()> {
    tx.commit().await
}

fn main() {}
