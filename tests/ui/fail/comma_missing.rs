//! No comma between two options.

use sqlx::track;

#[track(root returns_handle)]
async fn find() {}

fn main() {}
