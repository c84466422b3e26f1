//! The same level twice.

use sqlx::track;

#[track(allow(slow_query, slow_query))]
async fn find() {}

fn main() {}
