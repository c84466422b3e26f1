//! A level takes its lints in parentheses.

use sqlx::track;

#[track(allow = "n_plus_one")]
async fn find() {}

fn main() {}
