//! An option that there is not.

use sqlx::track;

#[track(color)]
async fn find() {}

fn main() {}
