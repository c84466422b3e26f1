//! A pool of one database is no executor of another.

#![allow(dead_code)]

use sqlx::{Executor, PgPool, Sqlite};

async fn sqlite(executor: impl Executor<'_, Database = Sqlite>) {
    executor.execute("SELECT 1").await.unwrap();
}

async fn program(pool: PgPool) {
    sqlite(&pool).await;
}

fn main() {}
