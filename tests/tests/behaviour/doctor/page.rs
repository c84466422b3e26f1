//! What the guide's page shows is what a run prints.

use std::time::Duration;

use leash_tests::{settled, support};
use sqlx::leash::{self, PoolExt};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, Executor, PgConnection};

/// The block of the page that begins with this line, but for the server's version.
fn shown(pool: &str) -> String {
    let page = include_str!("../../../../runtime/src/guide/doctor.md");
    let start = page
        .find(&format!("pool {pool} on"))
        .expect("the page shows the pool");
    let block = page[start..].split("\n```").next().unwrap();
    essence(block)
}

fn essence(printed: &str) -> String {
    let (title, rest) = printed.split_once('\n').unwrap();
    let (pool, _) = title.split_once(" on ").unwrap();
    settled(&format!("{pool}\n{rest}"))
}

#[tokio::test]
async fn shows_a_run() {
    let Some(server) = support::own_postgres().await else {
        return;
    };
    let mut admin = PgConnection::connect(server.url()).await.unwrap();
    for statement in [
        "CREATE ROLE shop LOGIN CONNECTION LIMIT 20",
        "ALTER ROLE shop SET idle_session_timeout = '5min'",
        "CREATE DATABASE shop TEMPLATE template0",
    ] {
        admin.execute(statement).await.unwrap();
    }
    admin.close().await.unwrap();
    let options: PgConnectOptions = server.url().parse().unwrap();
    let shop = options.username("shop").database("shop");
    let web = PgPoolOptions::new()
        .max_connections(15)
        .connect_lazy_with(shop.clone())
        .named("web");
    let _jobs = PgPoolOptions::new()
        .max_connections(10)
        .connect_lazy_with(shop.clone());
    let before = leash::doctor(&web).await.to_string();
    drop(web);
    let web = PgPoolOptions::new()
        .max_connections(10)
        .idle_timeout(Duration::from_mins(2));
    let web = web.connect_lazy_with(shop).named("web");
    let after = leash::doctor(&web).await;
    assert!(after.warnings().next().is_none(), "{after}");
    assert_eq!(essence(&before), shown("web"), "\n{before}");
}
