//! A count is whole.

use sqlx::track;

#[track(n_plus_one = 1.5)]
async fn find() {}

fn main() {}
