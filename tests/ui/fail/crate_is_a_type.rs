//! A path has no arguments.

use sqlx::track;

#[track(crate = Vec<u8>)]
async fn find() {}

fn main() {}
