//! What has no body runs no queries.

use sqlx::track;

trait Store {
    async fn find(&self);
}

#[track]
trait Defaults {
    #[track(root, max_queries = 3)]
    async fn find(&self);
}

fn main() {}
