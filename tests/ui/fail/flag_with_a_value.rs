//! A flag takes no value.

use sqlx::track;

#[track(root = true)]
async fn find() {}

fn main() {}
