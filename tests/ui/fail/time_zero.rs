//! Everything would be too slow.

use sqlx::track;

#[track(slow_query = "0ms")]
async fn find() {}

fn main() {}
