//! The options of an inner attribute stand in parentheses.

use sqlx::track;

struct Repo;

#[track]
impl Repo {
    #[track = "root"]
    async fn find(&self) {}
}

fn main() {}
