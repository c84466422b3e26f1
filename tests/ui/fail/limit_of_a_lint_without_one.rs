//! A lint that has no limit.

use sqlx::track;

#[track(outlived_scope = "5s")]
async fn find() {}

fn main() {}
