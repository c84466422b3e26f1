//! A value that is awaited.

use sqlx::track;

struct Client;

impl Client {
    fn execute(&self, number: u8) -> u8 {
        number
    }
}

#[track]
async fn find(client: &Client) -> u8 {
    client.execute(1).await
}

fn main() {}
