//! All mistakes are told together, each on its own word.

use sqlx::track;

#[track(
    max_query = 3,
    held_idle = 60,
    root = true,
    allow(slow),
    pool_pressure = "200%",
    name = "",
    skip_all
)]
async fn find() {}

fn main() {}
