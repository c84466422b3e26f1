//! Two names of one limit.

use sqlx::track;

#[track(max_queries = 3, query_budget = 4)]
async fn find() {}

fn main() {}
