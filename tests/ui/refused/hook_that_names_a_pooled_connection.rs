//! Hooks are given the driver's connection.

#![allow(dead_code)]

use sqlx::Sqlite;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::SqlitePoolOptions;

fn program() -> SqlitePoolOptions {
    SqlitePoolOptions::new().after_connect(|conn: &mut PoolConnection<Sqlite>, _| {
        Box::pin(async move {
            drop(conn);
            Ok(())
        })
    })
}

fn main() {}
