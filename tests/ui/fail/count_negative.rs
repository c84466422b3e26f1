//! A count is not negative.

use sqlx::track;

#[track(max_queries = -1)]
async fn find() {}

fn main() {}
