//! All mistakes of all attributes are told together, and callers do not complain as well.

use sqlx::track;

struct Repo;

#[track(max_query = 3, held_idle = 60)]
impl Repo {
    #[track(rooot)]
    async fn find(&self) {}

    #[track(allow(slow))]
    async fn save(&self) {}
}

async fn caller(repo: &Repo) {
    repo.find().await;
    repo.save().await;
}

fn main() {}
