//! An impl of a trait that promises `Send`.

use std::rc::Rc;

use sqlx::track;

trait Store {
    fn find(&self) -> impl Future<Output = i64> + Send;
}

struct Repo;

#[track]
impl Store for Repo {
    async fn find(&self) -> i64 {
        let local = Rc::new(1);
        tokio::task::yield_now().await;
        *local
    }
}

fn main() {}
