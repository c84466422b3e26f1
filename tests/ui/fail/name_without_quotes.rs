//! A name is a string.

use sqlx::track;

#[track(name = find)]
async fn find() {}

fn main() {}
