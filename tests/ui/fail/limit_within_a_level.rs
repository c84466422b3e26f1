//! A limit stands beside the level.

use sqlx::track;

#[track(allow(n_plus_one = 3))]
async fn find() {}

fn main() {}
