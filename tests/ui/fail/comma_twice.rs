//! Nothing between two commas.

use sqlx::track;

#[track(root,, max_queries = 3)]
async fn find() {}

fn main() {}
