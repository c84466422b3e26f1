//! The path is given.

use sqlx::track;

#[track(crate)]
async fn find() {}

fn main() {}
