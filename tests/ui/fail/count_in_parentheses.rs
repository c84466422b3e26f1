//! A count stands behind `=`.

use sqlx::track;

#[track(max_queries(3))]
async fn find() {}

fn main() {}
