//! There is nothing by this path.

use sqlx::track;

#[track(crate = ::leash)]
async fn find() {}

fn main() {}
