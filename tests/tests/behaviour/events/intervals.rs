//! What the events of a report have as fields: counts, times and rates of the interval.

use futures::StreamExt;
use leash_tests::in_child;
use sqlx::leash::{self, PoolExt};
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};
use sqlx::track;
use tokio::time::Duration;

use crate::common::{HUNDRED, TestPool, connect};

use super::json::{Line, Log};

#[track]
async fn writes(pool: &SqlitePool) {
    let insert = sqlx::query("INSERT INTO exam (name) VALUES (?), (?)");
    insert.bind("one").bind("two").execute(pool).await.unwrap();
}

#[track]
async fn reads(pool: &SqlitePool) -> usize {
    let rows = sqlx::query(HUNDRED).fetch_all(pool).await.unwrap();
    rows.len()
}

async fn named(name: &str) -> TestPool {
    let options = SqlitePoolOptions::new().max_connections(2);
    let pool = connect(options, "sqlite::memory:").await;
    TestPool::named(name, (*pool).clone(), pool)
}

/// The row of a function in the events of call sites.
#[track_caller]
fn site(log: &Log, function: &str) -> Option<Line> {
    let mut sites = log.of("sqlx_leash::sites");
    sites.retain(|site| {
        let name = site.get("code.function.name").and_then(|it| it.as_str());
        name.is_some_and(|name| name.ends_with(function))
    });
    assert!(sites.len() <= 1, "{sites:#?}");
    sites.pop()
}

#[track_caller]
fn number(line: &Line, name: &str) -> f64 {
    let number = line.get(name).and_then(serde_json::Value::as_f64);
    number.unwrap_or_else(|| panic!("no number `{name}`: {line:#?}"))
}

/// Ascending, and each at most the one behind it.
#[track_caller]
fn assert_ascending(line: &Line, names: [&str; 5]) {
    let numbers = names.map(|name| number(line, name));
    assert!(numbers.is_sorted(), "{names:?} {numbers:?}");
}

#[test]
fn a_call_site_has_totals_rows_and_its_pool() {
    let test = "events::intervals::a_call_site_has_totals_rows_and_its_pool";
    let _ = in_child(test, &[], |runtime| {
        let log = Log::start();
        runtime.block_on(async {
            let (one, other) = (named("one").await, named("other").await);
            leash::report();
            log.clear();
            let begun = std::time::Instant::now();
            for _ in 0..3 {
                writes(&one).await;
                reads(&one).await;
            }
            reads(&other).await;
            // A stream that is not read to its end is a statement that runs.
            let open = leash::scope("streams", async {
                let mut rows = sqlx::query(HUNDRED).fetch(&*one);
                rows.next().await.unwrap().unwrap();
                leash::report();
            });
            open.await;
            let elapsed = begun.elapsed().as_secs_f64() * 1e3;

            let wrote = site(&log, "::writes").unwrap();
            assert_eq!(wrote["db.client.connection.pool.name"], "one");
            assert!(!wrote.contains_key("several_pools"), "{wrote:#?}");
            assert_eq!(
                (&wrote["calls"], &wrote["in_flight"]),
                (&3.into(), &0.into())
            );
            assert_eq!(
                (&wrote["rows_affected"], &wrote["rows_returned"]),
                (&6.into(), &0.into())
            );
            assert_ascending(&wrote, ["p50_ms", "p95_ms", "p99_ms", "max_ms", "total_ms"]);
            let interval = number(&wrote, "interval_ms");
            assert!(number(&wrote, "total_ms") <= interval, "{wrote:#?}");
            assert!(
                interval > 0.0 && interval <= elapsed + 50.0,
                "{interval} {elapsed}"
            );

            let read = site(&log, "::reads").unwrap();
            assert!(
                !read.contains_key("db.client.connection.pool.name"),
                "{read:#?}"
            );
            assert_eq!(read["several_pools"], true);
            assert_eq!(read["rows_returned"], 400);
            let mut sites = log.of("sqlx_leash::sites");
            sites.retain(|site| site["in_flight"] == 1);
            assert_eq!(sites.len(), 1, "{sites:#?}");
        });
    });
}

/// A statement that began in an earlier interval, and ended in this one, is not lost: neither its time nor its rows.
#[test]
fn what_ends_in_an_interval_counts_in_it() {
    let test = "events::intervals::what_ends_in_an_interval_counts_in_it";
    let _ = in_child(test, &[], |runtime| {
        #[track]
        async fn streams(pool: &SqlitePool, half_way: impl FnOnce()) {
            let mut rows = sqlx::query(HUNDRED).fetch(pool);
            rows.next().await.unwrap().unwrap();
            half_way();
            while let Some(row) = rows.next().await {
                row.unwrap();
            }
        }
        let log = Log::start();
        runtime.block_on(async {
            let pool = named("one").await;
            streams(&pool, || {
                leash::report();
                assert_eq!(site(&log, "::streams").unwrap()["in_flight"], 1);
                log.clear();
            })
            .await;
            leash::report();
            let ended = site(&log, "::streams").unwrap();
            assert_eq!(
                (&ended["calls"], &ended["in_flight"]),
                (&0.into(), &0.into())
            );
            assert_eq!(ended["rows_returned"], 100);
            assert!(number(&ended, "total_ms") > 0.0, "{ended:#?}");
        });
    });
}

#[test]
fn a_pool_has_its_waits_and_connections() {
    let test = "events::intervals::a_pool_has_its_waits_and_connections";
    let _ = in_child(test, &[], |runtime| {
        let log = Log::start();
        runtime.block_on(async {
            let pool = named("one").await;
            pool.has_idle(1).await;
            let same_name = (*named("another").await).clone().named("one");
            leash::report();
            log.clear();
            let held = pool.acquire().await.unwrap();
            same_name.acquire().await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
            leash::report();
            drop(held);
            let pools = log.of("sqlx_leash::pool");
            let pool = pools
                .iter()
                .find(|it| it["db.client.connection.pool.name"] == "one");
            let pool = pool.unwrap_or_else(|| panic!("{pools:#?}"));
            let same_name = pools
                .iter()
                .filter(|it| it["db.client.connection.pool.name"] == "one #2");
            assert_eq!(
                same_name.count(),
                1,
                "pools of one name are told apart: {pools:#?}"
            );
            for (name, expected) in [
                ("held", 1.0),
                ("idle", 0.0),
                ("waiting", 0.0),
                ("acquired", 1.0),
                ("closed", 0.0),
            ] {
                assert!(
                    (number(pool, name) - expected).abs() < 1e-9,
                    "{name}: {pool:#?}"
                );
            }
            assert!(number(pool, "opened") >= 0.0, "{pool:#?}");
            assert!(number(pool, "interval_ms") >= 20.0, "{pool:#?}");
            let waits = [
                "wait_p50_ms",
                "wait_p95_ms",
                "wait_p99_ms",
                "wait_max_ms",
                "interval_ms",
            ];
            assert_ascending(pool, waits);
        });
    });
}
