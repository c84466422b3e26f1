//! A reason says something.

use sqlx::track;

#[track(allow(n_plus_one, reason = ""))]
async fn find() {}

fn main() {}
