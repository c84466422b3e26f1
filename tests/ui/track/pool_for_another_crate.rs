//! A crate that takes plain sqlx's pool.

use sqlx::SqlitePool;
use sqlx::leash::PoolExt;

fn store(pool: plain_sqlx::SqlitePool) {
    drop(pool);
}

fn fixed(pool: &SqlitePool) {
    store(pool.as_sqlx().clone());
}

fn refused(pool: &SqlitePool) {
    store(pool.clone());
}

fn main() {}
