//! A name is given.

use sqlx::track;

#[track(name)]
async fn find() {}

fn main() {}
