//! `pool_pressure`: a pool that is nearly full for several samples in a row.

use std::time::Duration;

use sqlx::leash::testing::findings;
use sqlx::leash::{Certainty, Finding, Level, Lint};
use sqlx::track;

use crate::common::{
    self, Lines, Place, TestPool, assert_none, in_child_under, marked, only, pool_named, pool_of,
    received, reported, watched,
};

#[track]
async fn fills(pool: &TestPool, time: usize) {
    let _first = pool.acquire().await.unwrap(); // @first of two
    fills_the_rest(pool, time).await;
}

#[track(allow(nested_acquire, reason = "the test wants it"))]
async fn fills_the_rest(pool: &TestPool, time: usize) {
    let _second = pool.acquire().await.unwrap(); // @second of two
    reported(pool.name(), Lint::PoolPressure, time).await;
}

#[track]
async fn connects() -> TestPool {
    pool_of(2).await
}

#[tokio::test]
async fn reported_after_three_samples_and_once() {
    let pool = connects().await;
    let ((), found) = findings(fills(&pool, 1)).await;
    let found = only(found);
    let all = found.render();
    assert_eq!(found.lint, Lint::PoolPressure, "{all}");
    assert_eq!(found.level, Level::Warn);
    assert_eq!(found.certainty, Certainty::Certain);
    assert_eq!(found.label, "connected here");
    assert!(found.primary.file.ends_with("tests/src/pool.rs"), "{all}");
    assert!(
        found
            .title
            .starts_with("at least 90 % of the permits of pool ")
            && found.title.ends_with(
                " were in use in 3 samples in a row, a second apart: now 2 of 2, 0 waiting"
            ),
        "{all}"
    );
    let related: Vec<_> = found
        .related
        .iter()
        .map(|it| Place::from(&it.site))
        .collect();
    assert_eq!(
        related,
        [
            marked("first of two", "acquire"),
            marked("second of two", "acquire")
        ]
    );
    assert!(
        found.related[0]
            .label
            .starts_with("findings::pressure::full::fills holds 1 permit for"),
        "{all}"
    );
    assert!(
        found
            .facts
            .iter()
            .any(|fact| fact.to_string() == "permits held 2 of 2, 0 waiting")
    );
    assert!(!found.help[0].contains("max_connections"), "{all}");
    let note = format!("SQLX_LEASH=\"pool_pressure[{}]=95%\"", pool.name());
    assert!(found.notes[0].contains(&note), "{all}");
}

/// Holds this number of permits of ten for longer than a report takes, and returns the findings.
async fn of_ten(held: usize) -> Vec<Finding> {
    let (pool, witness) = (pool_of(10).await, pool_of(2).await);
    let mut conns = Vec::new();
    for _ in 0..held {
        conns.push(pool.acquire().await.unwrap());
    }
    // Fills up later than the other pool, so that its report comes with the other's or after it.
    fills(&witness, 1).await;
    watched().await;
    received(pool.name())
}

#[tokio::test]
async fn nine_of_ten_are_ninety_percent_and_eight_are_not() {
    assert_eq!(only(of_ten(9).await).lint, Lint::PoolPressure);
    assert_none(&of_ten(8).await);
}

#[tokio::test]
async fn peaks_are_silent() {
    let pool = pool_of(2).await;
    for _ in 0..4 {
        let held = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
        tokio::time::sleep(Duration::from_millis(1300)).await;
        drop(held);
        // At least one sample finds the pool free, or the watchdog sleeps because no handle is held.
        tokio::time::sleep(Duration::from_millis(1500)).await;
    }
    assert_none(&received(pool.name()));
}

#[test]
fn peaks_with_nothing_in_between_are_not_in_a_row() {
    let test = "pressure::full::peaks_with_nothing_in_between_are_not_in_a_row";
    let _ = in_child_under(test, "", |runtime| {
        runtime.block_on(async {
            let pool = pool_of(2).await;
            for _ in 0..6 {
                let held = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
                tokio::time::sleep(Duration::from_millis(600)).await;
                drop(held);
                tokio::time::sleep(Duration::from_millis(600)).await;
            }
            assert_none(&received(pool.name()));
        });
    });
}

#[tokio::test]
async fn a_pool_of_one_is_full_whenever_it_is_used() {
    let (pool, witness) = (pool_of(1).await, pool_of(2).await);
    let held = pool.acquire().await.unwrap();
    fills(&witness, 1).await;
    watched().await;
    assert_none(&received(pool.name()));
    // Once an acquire waits, the pool is too small.
    tokio::select! {
        _ = pool.acquire() => unreachable!("the permit is held"),
        () = reported(pool.name(), Lint::PoolPressure, 1) => {}
    }
    let mut found = received(pool.name());
    found.retain(|found| found.lint == Lint::PoolPressure);
    let found = only(found);
    assert!(
        found.title.ends_with("now 1 of 1, 1 waiting"),
        "{}",
        found.title
    );
    drop(held);
}

#[test]
fn a_pool_has_a_limit_of_its_own() {
    let environment = "pool_pressure[half]=50%,pool_pressure[full]=100%,pool_pressure[off]=allow";
    let _ = in_child_under(
        "pressure::full::a_pool_has_a_limit_of_its_own",
        environment,
        |runtime| {
            sqlx::leash::Config::new()
                .limit(Lint::PoolPressure, sqlx::leash::Limit::from(3))
                .install();
            runtime.block_on(async {
                let (half, full, off) = (
                    pool_named(2, "half").await,
                    pool_named(10, "full").await,
                    pool_named(1, "off").await,
                );
                let _full = futures::future::join_all((0..9).map(|_| full.acquire())).await;
                let _off = off.acquire().await.unwrap();
                let _half = half.acquire().await.unwrap();
                reported("half", Lint::PoolPressure, 1).await;
                watched().await;
                assert!(
                    only(received("half"))
                        .title
                        .contains("at least 50 % of the permits of pool half")
                );
                assert_none(&received("full"));
                assert_none(&received("off"));
            });
        },
    );
}

#[test]
fn a_line_reports_that_the_pool_has_recovered() {
    let test = "pressure::full::a_line_reports_that_the_pool_has_recovered";
    let _ = in_child_under(test, "", |runtime| {
        let lines = Lines::of_process();
        runtime.block_on(async {
            let pool = pool_named(2, "busy").await;
            fills(&pool, 1).await;
            let recovered = || !lines.of("sqlx_leash::pool").is_empty();
            common::until("the pool has recovered", recovered).await;
            assert_eq!(
                lines.of("sqlx_leash::pool"),
                ["INFO pool busy has recovered: below the limit of `pool_pressure` again"]
            );
            // Each episode is reported in full.
            fills(&pool, 2).await;
            let reported = || {
                let mut lines = lines.of("sqlx_leash::finding");
                lines.retain(|line| line.contains("pool_pressure"));
                lines
            };
            // A callback receives the finding before it is logged.
            common::until("the second episode is logged", || reported().len() >= 2).await;
            let found = reported();
            assert_eq!(found.len(), 2, "{found:#?}");
            assert!(
                found
                    .iter()
                    .all(|line| line.starts_with("WARN warning[pool_pressure]: at least"))
            );
        });
    });
}
