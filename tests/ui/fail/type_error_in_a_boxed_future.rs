//! A boxed future that gives another type.

use futures::future::BoxFuture;
use sqlx::{SqlitePool, track};

#[track]
fn find(pool: &SqlitePool) -> BoxFuture<'_, sqlx::Result<u32>> {
    Box::pin(async move {
        sqlx::query("SELECT 1").execute(pool).await?;
        Ok("text")
    })
}

fn main() {}
