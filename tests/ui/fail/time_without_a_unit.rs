//! A time has a unit.

use sqlx::track;

#[track(held_idle = "60")]
async fn find() {}

fn main() {}
