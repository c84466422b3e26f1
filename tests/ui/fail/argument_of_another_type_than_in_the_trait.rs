//! A method that is not the trait's.

use sqlx::track;

trait Store {
    async fn find(&self, id: u8) -> u8;
    async fn save(&self, id: u8) -> u8;
}

struct Repo;

#[track]
impl Store for Repo {
    async fn find(&self, id: u16) -> u8 {
        1
    }

    async fn save(&self, id: u8) -> u16 {
        1
    }
}

fn main() {}
