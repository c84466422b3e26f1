//! A count fits into its type.

use sqlx::track;

#[track(max_queries = 99999999999999999999)]
async fn find() {}

fn main() {}
