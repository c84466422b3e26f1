//! A near miss.

use sqlx::track;

#[track(max_query = 3)]
async fn find() {}

fn main() {}
