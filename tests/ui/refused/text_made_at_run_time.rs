//! Text that is not static must be vouched for.

#![allow(dead_code)]

use sqlx::SqlitePool;

async fn program(pool: SqlitePool, name: &str) -> sqlx::Result<()> {
    let sql = format!("SELECT {name}");
    sqlx::query(&sql).execute(&pool).await?;
    Ok(())
}

fn main() {}
