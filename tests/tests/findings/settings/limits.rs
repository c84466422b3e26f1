//! Limits of a pool that contradict each other, or that mean something else than they seem to; and what sqlx makes of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use sqlx::leash::testing::findings;
use sqlx::leash::{Certainty, Finding, Lint};
use sqlx::mysql::MySqlPoolOptions;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Error, SqlitePool};

use super::{about, advised};
use crate::common::{assert_helps, assert_none, only_of, until};

const MINUTE: Duration = Duration::from_mins(1);
const URL: &str = "postgres://eye@127.0.0.1:1/shop";

fn options() -> PgPoolOptions {
    PgPoolOptions::new()
}

/// The finding about a pool with these options.
async fn found(options: PgPoolOptions) -> Finding {
    about(async { options.connect_lazy(URL).unwrap() }).await
}

async fn silent(options: PgPoolOptions) {
    let (_pool, found) = findings(async { options.connect_lazy(URL).unwrap() }).await;
    assert_none(&found);
}

#[track_caller]
fn check(found: &Finding, certainty: Certainty, title: &str, facts: &[&str]) {
    let all = found.render();
    assert_eq!(found.certainty, certainty, "{all}");
    assert_eq!(
        found.title,
        format!("pool 127.0.0.1:1/shop {title}"),
        "{all}"
    );
    let said: Vec<_> = found.facts.iter().map(ToString::to_string).collect();
    assert_eq!(said, facts, "{all}");
}

/// A pool on a file, and the number of connections that it has opened.
struct Counted {
    pool: SqlitePool,
    opened: Arc<AtomicU32>,
    _directory: tempfile::TempDir,
}

fn file() -> (tempfile::TempDir, SqliteConnectOptions) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("limits.db");
    let database = SqliteConnectOptions::new().filename(file);
    (directory, database.create_if_missing(true))
}

fn counted(options: SqlitePoolOptions) -> Counted {
    let (directory, database) = file();
    let opened = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&opened);
    let options = options.after_connect(move |_, _| {
        counter.fetch_add(1, Relaxed);
        Box::pin(async { Ok(()) })
    });
    Counted {
        pool: options.connect_lazy_with(database),
        opened,
        _directory: directory,
    }
}

#[tokio::test]
async fn a_minimum_above_the_maximum() {
    let min = |min| options().min_connections(min);
    check(
        &found(min(20)).await,
        Certainty::Certain,
        "is to keep 20 connections open, and may open 10",
        &["min_connections 20", "max_connections 10, sqlx's default"],
    );
    let above = found(min(3).max_connections(2)).await;
    check(
        &above,
        Certainty::Certain,
        "is to keep 3 connections open, and may open 2",
        &["min_connections 3", "max_connections 2"],
    );
    assert_helps(&above, ".min_connections(2)");
    silent(min(10)).await;
    silent(min(2).max_connections(2)).await;
    silent(min(1).max_connections(2)).await;
}

/// sqlx keeps as many as it may open.
#[tokio::test]
async fn the_maximum_bounds_the_minimum() {
    let (_directory, database) = file();
    let options = SqlitePoolOptions::new()
        .min_connections(5)
        .max_connections(2);
    let (pool, found) = findings(options.connect_with(database)).await;
    assert_eq!(pool.unwrap().size(), 2);
    only_of(Lint::PoolSettings, &found);
}

#[tokio::test]
async fn no_time_to_acquire() {
    let found = found(options().acquire_timeout(Duration::ZERO)).await;
    assert_eq!(
        found.title,
        "no acquire on pool 127.0.0.1:1/shop can open a connection: `acquire_timeout` is zero"
    );
    assert_eq!(found.certainty, Certainty::Certain);
    assert_helps(&found, "Duration::from_secs(30)");
    silent(options().acquire_timeout(Duration::from_millis(1))).await;
}

/// Neither the first connect nor an acquire has the time to open a connection.
#[tokio::test]
async fn no_connection_is_opened_without_time() {
    let options = || SqlitePoolOptions::new().acquire_timeout(Duration::ZERO);
    let (_directory, database) = file();
    let (pool, found) = findings(options().connect_with(database.clone())).await;
    assert!(matches!(pool, Err(Error::PoolTimedOut)));
    only_of(Lint::PoolSettings, &found);
    let timeout = only_of(Lint::PoolTimeout, &found);
    let says = "`acquire_timeout` is zero: an acquire has no time";
    assert!(timeout.cause.starts_with(says), "{}", timeout.render());

    let (pool, found) = findings(async { options().connect_lazy_with(database) }).await;
    only_of(Lint::PoolSettings, &found);
    for _ in 0..10 {
        assert!(matches!(pool.acquire().await, Err(Error::PoolTimedOut)));
    }
}

/// A pool that opens its connections by itself and does not test them hands them out without waiting.
#[tokio::test]
async fn a_pool_that_never_waits() {
    let (_directory, database) = file();
    let options = SqlitePoolOptions::new()
        .acquire_timeout(Duration::ZERO)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .min_connections(1);
    let (pool, found) = findings(async { options.connect_lazy_with(database) }).await;
    assert_none(&found);
    until("a connection is idle", || pool.num_idle() == 1).await;
    drop(pool.acquire().await.unwrap());
}

#[tokio::test]
async fn a_lifetime_below_a_minute() {
    let lifetime = |lifetime| options().max_lifetime(lifetime);
    let short = found(lifetime(Duration::from_secs(50))).await;
    check(
        &short,
        Certainty::Likely,
        "closes each connection at the age of 50.0 s, its `max_lifetime`",
        &["max_lifetime 50.0 s"],
    );
    assert!(short.cause.contains("10 connections anew in each 50.0 s"));
    silent(lifetime(MINUTE)).await;
    silent(lifetime(MINUTE * 30)).await;
    silent(options().max_lifetime(None)).await;
    silent(options()).await;
}

#[tokio::test]
async fn zero_does_not_switch_a_limit_off() {
    let lifetime = found(options().max_lifetime(Duration::ZERO)).await;
    let title = "keeps no connection: `max_lifetime` is zero";
    check(&lifetime, Certainty::Certain, title, &["max_lifetime 0"]);
    assert_helps(&lifetime, ".max_lifetime(None)");
    let idle = found(options().idle_timeout(Duration::ZERO)).await;
    let title = "closes each connection that is idle: `idle_timeout` is zero";
    check(&idle, Certainty::Certain, title, &["idle_timeout 0"]);
    assert_helps(&idle, ".idle_timeout(None)");
}

#[tokio::test]
async fn a_connection_without_a_lifetime_serves_once() {
    for options in [
        SqlitePoolOptions::new().max_lifetime(Duration::ZERO),
        SqlitePoolOptions::new().idle_timeout(Duration::ZERO),
    ] {
        let counted = counted(options);
        for _ in 0..3 {
            drop(counted.pool.acquire().await.unwrap());
            until("it is closed", || counted.pool.size() == 0).await;
        }
        assert_eq!(counted.opened.load(Relaxed), 3);
    }
}

#[tokio::test]
async fn an_idle_timeout_above_the_lifetime() {
    let times =
        |idle: Duration, lifetime: Duration| options().idle_timeout(idle).max_lifetime(lifetime);
    let above = found(times(MINUTE * 20, MINUTE * 5)).await;
    check(
        &above,
        Certainty::Certain,
        "closes no connection for its idle time: `idle_timeout` is 20.0 min, and `max_lifetime` 5.00 min",
        &["idle_timeout 20.0 min", "max_lifetime 5.00 min"],
    );
    // sqlx's default, which the program has set.
    found(times(MINUTE * 10, MINUTE * 5)).await;
    found(options().max_lifetime(MINUTE * 5).idle_timeout(MINUTE * 10)).await;
    silent(times(MINUTE * 5, MINUTE * 5)).await;
    silent(times(MINUTE * 4, MINUTE * 5)).await;
    silent(options().idle_timeout(MINUTE * 60).max_lifetime(None)).await;
    silent(options().idle_timeout(None).max_lifetime(MINUTE * 5)).await;
}

/// sqlx's default of ten minutes is above a lifetime of five, and does no harm.
#[tokio::test]
async fn a_default_above_the_lifetime() {
    silent(options().max_lifetime(MINUTE * 5)).await;
    let plain = plain_sqlx::postgres::PgPoolOptions::new().max_lifetime(MINUTE * 5);
    silent(plain.into()).await;
    let plain = plain_sqlx::postgres::PgPoolOptions::new();
    found(
        plain
            .max_lifetime(MINUTE * 5)
            .idle_timeout(MINUTE * 6)
            .into(),
    )
    .await;
    // A clone has what its original was given.
    let set = options().max_lifetime(MINUTE * 5).idle_timeout(MINUTE * 10);
    found(set.clone()).await;
}

#[tokio::test]
async fn several_in_one_finding() {
    let all = found(
        options()
            .min_connections(11)
            .idle_timeout(MINUTE)
            .max_lifetime(MINUTE / 2),
    )
    .await;
    let text = all.render();
    assert!(
        all.title.contains("is to keep 11 connections open"),
        "{text}"
    );
    assert_eq!(all.certainty, Certainty::Certain);
    let also = all
        .notes
        .iter()
        .filter(|note| note.starts_with("also: pool"));
    assert_eq!(also.count(), 2, "{text}");
    assert_helps(&all, "set `idle_timeout` below `max_lifetime`");
}

/// The fix for a database in memory switches both times off.
#[tokio::test]
async fn of_a_database_in_memory() {
    let times = SqlitePoolOptions::new()
        .idle_timeout(MINUTE)
        .max_lifetime(MINUTE / 2);
    let lost = about(times.connect("sqlite::memory:")).await;
    assert!(lost.title.contains("loses its in-memory database"));
    assert!(!lost.render().contains("also:"), "{}", lost.render());
    let minimum = advised().min_connections(11);
    let found = about(minimum.connect("sqlite::memory:")).await;
    assert!(found.title.contains("is to keep 11"), "{}", found.render());
}

#[tokio::test]
async fn of_other_databases() {
    sqlx::any::install_default_drivers();
    let found = about(async {
        let options = MySqlPoolOptions::new().min_connections(11);
        options
            .connect_lazy("mysql://eye@127.0.0.1:1/shop")
            .unwrap()
    })
    .await;
    assert_eq!(found.lint, Lint::PoolSettings);
    let found = about(async {
        let options = sqlx::any::AnyPoolOptions::new().min_connections(11);
        options.connect_lazy(URL).unwrap()
    })
    .await;
    assert_eq!(found.lint, Lint::PoolSettings);
}
