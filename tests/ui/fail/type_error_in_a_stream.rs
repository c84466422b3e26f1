//! A stream of other items.

use futures::stream::BoxStream;
use sqlx::{SqlitePool, track};

#[track]
fn rows(pool: &SqlitePool) -> BoxStream<'_, sqlx::Result<u8>> {
    sqlx::query("SELECT 1").fetch(pool)
}

fn main() {}
