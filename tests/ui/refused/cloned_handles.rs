//! Pools can be cloned, handles cannot.

#![allow(dead_code)]

use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, Transaction};

fn program(tx: Transaction<'static, Sqlite>, conn: PoolConnection<Sqlite>) {
    drop((tx.clone(), conn.clone()));
}

fn main() {}
