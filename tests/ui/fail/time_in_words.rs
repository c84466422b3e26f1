//! A time is a number.

use sqlx::track;

#[track(held_idle = "soon")]
async fn find() {}

fn main() {}
