//! A guard that must dereference to the driver's connection.

use std::ops::DerefMut;

use sqlx::{SqliteConnection, SqlitePool};

async fn touch(guard: impl DerefMut<Target = SqliteConnection>) {
    drop(guard);
}

async fn fixed(pool: &SqlitePool) -> sqlx::Result<()> {
    touch(pool.acquire().await?.as_mut()).await;
    Ok(())
}

async fn refused(pool: &SqlitePool) -> sqlx::Result<()> {
    touch(pool.acquire().await?).await;
    Ok(())
}

fn main() {}
