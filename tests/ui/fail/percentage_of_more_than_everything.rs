//! A percentage ends at 100.

use sqlx::track;

#[track(pool_pressure = "101%")]
async fn find() {}

fn main() {}
