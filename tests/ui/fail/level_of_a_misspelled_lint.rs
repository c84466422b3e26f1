//! A near miss.

use sqlx::track;

#[track(warn(leak))]
async fn find() {}

fn main() {}
