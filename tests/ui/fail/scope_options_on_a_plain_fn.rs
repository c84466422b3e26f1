//! What has no scope has no options of a scope.

use sqlx::track;

#[track(root, max_queries = 3, returns_handle)]
fn find() -> u8 {
    1
}

fn main() {}
