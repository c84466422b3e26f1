//! A name says something.

use sqlx::track;

#[track(name = " ")]
async fn find() {}

fn main() {}
