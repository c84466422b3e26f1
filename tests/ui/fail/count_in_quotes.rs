//! A count is a number, not a string.

use sqlx::track;

#[track(max_queries = "3")]
async fn find() {}

fn main() {}
