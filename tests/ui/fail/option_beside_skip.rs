//! What is skipped has no options.

use sqlx::track;

#[track(skip, root, max_queries = 3)]
async fn find() {}

fn main() {}
