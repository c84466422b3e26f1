//! The same option twice.

use sqlx::track;

#[track(root, root)]
async fn find() {}

fn main() {}
