//! A method without a body cannot be tracked.

use sqlx::track;

trait Store {
    #[track]
    async fn find(&self);
}

fn main() {}
