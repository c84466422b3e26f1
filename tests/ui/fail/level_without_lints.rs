//! A level names its lints.

use sqlx::track;

#[track(allow)]
async fn find() {}

fn main() {}
