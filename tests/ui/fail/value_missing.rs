//! Nothing behind `=`.

use sqlx::track;

#[track(n_plus_one =)]
async fn find() {}

fn main() {}
