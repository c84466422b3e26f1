//! A crate that makes plain sqlx's pool, for a function that takes a tracked one.

use sqlx::SqlitePool;

fn state(pool: SqlitePool) {
    drop(pool);
}

fn fixed(pool: plain_sqlx::SqlitePool) {
    state(SqlitePool::from(pool));
}

fn refused(pool: plain_sqlx::SqlitePool) {
    state(pool);
}

fn main() {}
