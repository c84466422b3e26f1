//! Nothing could keep this limit.

use sqlx::track;

#[track(max_queries = 0)]
async fn find() {}

fn main() {}
