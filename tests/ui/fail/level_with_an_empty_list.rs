//! A level names its lints.

use sqlx::track;

#[track(deny())]
async fn find() {}

fn main() {}
