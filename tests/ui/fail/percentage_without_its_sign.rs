//! A percentage has its sign.

use sqlx::track;

#[track(pool_pressure = "90")]
async fn find() {}

fn main() {}
