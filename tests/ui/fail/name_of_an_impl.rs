//! A name is one function's.

use sqlx::track;

struct Repo;

#[track(name = "repo")]
impl Repo {
    async fn find(&self) {}
}

fn main() {}
