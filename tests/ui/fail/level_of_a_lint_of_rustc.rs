//! A lint of somebody else.

use sqlx::track;

#[track(warn(unused_variables))]
async fn find() {}

fn main() {}
