//! A future that is spawned and holds an `Rc` over an await.

use std::rc::Rc;

use sqlx::{SqlitePool, track};

#[track]
async fn find(pool: SqlitePool) -> sqlx::Result<i64> {
    let local = Rc::new(1);
    let number: i64 = sqlx::query_scalar("SELECT 1").fetch_one(&pool).await?;
    drop(local);
    Ok(number)
}

fn caller(pool: SqlitePool) {
    tokio::spawn(find(pool));
}

fn main() {}
