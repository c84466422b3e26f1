//! A reference of which nobody knows where it comes from.

use sqlx::track;

#[track]
async fn one_of_two(x: &str, y: &str) -> &str {
    x
}

fn main() {}
