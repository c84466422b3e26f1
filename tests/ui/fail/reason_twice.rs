//! One reason for a list.

use sqlx::track;

#[track(allow(n_plus_one, reason = "a", reason = "b"))]
async fn find() {}

fn main() {}
