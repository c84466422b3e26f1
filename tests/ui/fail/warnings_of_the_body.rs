//! Lints on the user's own code stand where they stood.

#![deny(unused)]

use sqlx::{SqlitePool, track};

#[track]
async fn find(pool: &SqlitePool, unused: u8, (a, b): (u8, u8), mut still: u8) -> sqlx::Result<u8> {
    let mut number = a;
    let local = 1;
    pool.begin().await?.commit();
    return Ok(number + still);
    sqlx::query("SELECT 1").execute(pool).await?;
}

#[track]
#[must_use]
async fn must_be_used() -> u8 {
    1
}

#[track]
async fn result() -> Result<(), ()> {
    Ok(())
}

async fn caller() {
    must_be_used();
    result();
    result().await;
}

fn main() {}
