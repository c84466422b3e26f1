//! A path is no string.

use sqlx::track;

#[track(crate = "sqlx")]
async fn find() {}

fn main() {}
