//! Methods of others with sqlx's words are called as ever.

#![deny(warnings, rust_2018_idioms)]

use sqlx::track;

struct Client;

struct Page<'c>(&'c str);

impl Client {
    async fn fetch(&self, address: &str) -> String {
        address.to_owned()
    }

    fn execute(&self, call: impl Fn() -> u8) -> u8 {
        call()
    }

    fn fetch_many(&self, address: &str) -> Vec<u8> {
        address.bytes().collect()
    }

    fn begin<'c>(&'c mut self, address: &'c str) -> Page<'c> {
        Page(address)
    }

    fn acquire(&self) -> impl Future<Output = Option<&Client>> {
        std::future::ready(Some(self))
    }

    async fn commit(self) -> Self {
        self
    }
}

impl Page<'_> {
    fn fetch(&mut self, into: &mut String) -> usize {
        into.push_str(self.0);
        into.len()
    }
}

fn execute(number: usize) -> usize {
    number
}

#[track]
async fn all(mut client: Client) -> usize {
    let address = String::from("x");
    let mut text = String::new();
    let text = &mut text;
    let mut sum = client.fetch(&address).await.len();
    sum += usize::from(client.execute(|| 3));
    sum += client.fetch_many(&address).len();
    let mut page = client.begin(&address);
    sum += page.fetch(text) + page.fetch(text);
    sum += client
        .acquire()
        .await
        .map_or(0, |client| usize::from(client.execute(|| 4)));
    let closure = |number: usize| execute(number);
    sum += closure(1) + text.len();
    client.commit().await.fetch_many("yy").len() + sum
}

#[tokio::test(flavor = "multi_thread")]
async fn runs() {
    assert_eq!(all(Client).await, 1 + 3 + 1 + 1 + 2 + 4 + 1 + 2 + 2);
}
