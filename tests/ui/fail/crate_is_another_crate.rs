//! What the path leads to is not sqlx-leash.

use sqlx::track;

#[track(crate = ::tokio)]
async fn find() {}

fn main() {}
