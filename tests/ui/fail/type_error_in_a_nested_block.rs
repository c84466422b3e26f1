//! A wrong type within an async block, a closure and a macro.

use sqlx::sqlite::SqliteRow;
use sqlx::{SqlitePool, track};

#[track]
async fn find(pool: &SqlitePool) -> sqlx::Result<()> {
    let block = async { sqlx::query("SELECT 1").bind(1).execute(pool, 2).await };
    let closure = || -> u8 { "text" };
    tokio::join!(block, async { sqlx::query("SELECT 2").execute().await });
    assert!(sqlx::query("SELECT 3").execute(pool).await);
    let rows: Vec<SqliteRow> = vec![sqlx::query("SELECT 4").fetch_one(pool).await];
    drop((closure, rows));
    Ok(())
}

fn main() {}
