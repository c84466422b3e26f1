//! A future that is spawned and holds an argument that stays.

use std::rc::Rc;

use sqlx::{SqlitePool, track};

#[track]
async fn find(pool: SqlitePool, number: Rc<i64>) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT 1").fetch_one(&pool).await
}

fn caller(pool: SqlitePool) {
    tokio::spawn(find(pool, Rc::new(1)));
}

fn main() {}
