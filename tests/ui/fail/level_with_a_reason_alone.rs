//! A reason without a lint.

use sqlx::track;

#[track(allow(reason = "why"))]
async fn find() {}

fn main() {}
