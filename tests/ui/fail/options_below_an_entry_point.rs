//! `#[tokio::main]` above has made a plain fn of it.

use sqlx::track;

#[tokio::main]
#[track(root, max_queries = 3)]
async fn job() {}

fn main() {}
