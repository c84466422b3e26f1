//! Pools for each request, for each job, and in loops: told soon after the one that is too many.

use std::time::{Duration, Instant};

use leash_tests::listen;
use sqlx::leash::{Certainty, Level, Lint, PoolExt};
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{PgPool, SqlitePool, track};
use tokio::task::JoinSet;

use super::{TOO_MANY, URL, about, compared, one_about};
use crate::common::{
    Place, Says, TestPool, assert_helps, assert_none, marked, only, received, reported,
};

/// A pool for one request, which lives as long as the request's work.
#[track]
async fn request(shop: &str) -> PgPool {
    PgPoolOptions::new()
        .max_connections(5)
        .connect_lazy(URL) // @request
        .unwrap()
        .named(shop)
}

#[tokio::test]
async fn a_pool_for_each_request() {
    let (pools, found) = about(async {
        let mut pools = Vec::new();
        for _ in 0..TOO_MANY {
            pools.push(request("by request").await);
        }
        pools
    })
    .await;
    Says {
        lint: Lint::DuplicatePool,
        level: Level::Warn,
        certainty: Certainty::Certain,
        primary: marked("request", "connect_lazy"),
        function: Some("findings::duplicates::found::request"),
        title: &["findings::duplicates::found::request has made 4 pools by request that are all alive; the limit is 3"],
        related: &[],
        facts: &["the first was made", "connections open 0"],
        help: &[
            "`pool.clone()` is the same pool",
            "static POOL: OnceCell<PgPool>",
            "PgConnection::connect",
        ],
    }
    .check(&only(found));
    drop(pools);
}

#[tokio::test]
async fn within_a_second_of_the_one_too_many() {
    let name = "soon";
    let first = TestPool::of(request(name).await).called(name);
    let _allowed = [request(name).await, request(name).await];
    compared().await;
    assert_none(&first.received());
    let made = Instant::now();
    let _one_too_many = request(name).await;
    let (told, _) = first.first_of(Lint::DuplicatePool).await;
    let took = told - made;
    let soon = Duration::from_millis(200)..Duration::from_secs(1);
    assert!(soon.contains(&took), "{took:?}");
}

/// Spawned tasks carry no scope: the finding goes to the callbacks and the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_pool_for_each_job() {
    listen();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("jobs.db");
    let database = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true);
    let mut jobs = JoinSet::new();
    for _ in 0..TOO_MANY {
        let database = database.clone();
        jobs.spawn(async {
            let pool = SqlitePool::connect_with(database).await; // @job
            pool.unwrap().named("by job")
        });
    }
    let _pools = jobs.join_all().await;
    reported("by job", Lint::DuplicatePool, 1).await;
    let found = only(received("by job"));
    let all = found.render();
    assert_eq!(
        Place::from(&found.primary),
        marked("job", "SqlitePool::connect_with")
    );
    assert_eq!(found.function, None, "{all}");
    assert!(found.title.starts_with("code at tests/"), "{all}");
    assert!(found.facts[2].value.parse::<u32>().unwrap() >= 4, "{all}");
    assert_helps(&found, "SqliteConnection::connect(url)");
}

#[tokio::test]
async fn forty_in_a_loop() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("forty.db");
    let database = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true);
    let found = one_about(async {
        let mut pools = Vec::new();
        for _ in 0..40 {
            let options = SqlitePoolOptions::new().max_connections(2);
            pools.push(options.connect_lazy_with(database.clone())); // @loop
        }
        pools
    })
    .await;
    assert!(
        found.title.contains("has made 40 pools"),
        "{}",
        found.render()
    );
    assert!(
        found.cause.contains("together these may open 80 to"),
        "{}",
        found.render()
    );
    assert_eq!(
        Place::from(&found.primary),
        marked("loop", "connect_lazy_with")
    );
}

/// Three are allowed. Those that were dropped or closed do not count.
#[tokio::test]
async fn as_many_as_are_alive_count() {
    let name = "alive";
    let (pools, found) = about(async {
        let mut pools = Vec::new();
        for _ in 0..3 {
            pools.push(request(name).await);
        }
        drop(request(name).await);
        request(name).await.close().await;
        pools
    })
    .await;
    assert_none(&found);
    let found = one_about(request(name)).await;
    assert!(found.title.contains("4 pools"), "{}", found.render());
    drop(pools);
}

/// It is reported once while it lasts, and again when it recurs.
#[tokio::test]
async fn each_time_is_told_once() {
    let name = "again";
    let mut pools = Vec::new();
    for _ in 0..TOO_MANY - 1 {
        pools.push(request(name).await);
    }
    let (fourth, found) = about(request(name)).await;
    assert_eq!(found.len(), 1);
    let (fifth, found) = about(request(name)).await;
    assert_none(&found);
    drop((fourth, fifth));
    let (_fourth, found) = about(request(name)).await;
    assert_eq!(found.len(), 1);
}
