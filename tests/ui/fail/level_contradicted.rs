//! Two levels for one lint.

use sqlx::track;

#[track(allow(slow_query), deny(slow_query))]
async fn find() {}

fn main() {}
