//! A flag takes no list.

use sqlx::track;

#[track(skip(yes))]
async fn find() {}

fn main() {}
