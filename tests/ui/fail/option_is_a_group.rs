//! A group is no option.

use sqlx::track;

#[track(leaks)]
async fn find() {}

fn main() {}
