//! An option is a word, not a string.

use sqlx::track;

#[track("root")]
async fn find() {}

fn main() {}
