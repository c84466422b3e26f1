//! A name is one function's.

use sqlx::track;

#[track(name = "store")]
trait Store {
    async fn find(&self) {}
}

fn main() {}
