//! A time is a string.

use sqlx::track;

#[track(held_idle = 60)]
async fn find() {}

fn main() {}
