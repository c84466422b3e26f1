//! A count is given.

use sqlx::track;

#[track(max_queries)]
async fn find() {}

fn main() {}
