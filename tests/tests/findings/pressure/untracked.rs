//! `unaccounted_connections`: permits in use by code that is not tracked.

use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::leash::{Certainty, Lint, PoolExt};

use crate::common::{
    self, Lines, Place, TestPool, assert_none, bare_pool_of, in_child_under, marked, pool_named,
    received, reported, watched,
};

async fn plain_pool() -> plain_sqlx::SqlitePool {
    plain_sqlx::sqlite::SqlitePoolOptions::new()
        .max_connections(3)
        .connect("sqlite::memory:")
        .await
        .unwrap()
}

#[test]
fn permits_of_untracked_code_are_unaccounted_for() {
    let test = "pressure::untracked::permits_of_untracked_code_are_unaccounted_for";
    let _ = in_child_under(test, "unaccounted_connections=1s", |runtime| {
        let lines = Lines::of_process();
        runtime.block_on(async {
            let plain = plain_pool().await;
            let pool = SqlitePool::from(plain.clone()); // @made
            let pool = TestPool::of(pool);
            let elsewhere = (
                plain.acquire().await.unwrap(),
                plain.acquire().await.unwrap(),
            );
            let held = pool.acquire().await.unwrap(); // @one of ours
            reported(pool.name(), Lint::UnaccountedConnections, 1).await;
            let found = received(pool.name());
            let found = found
                .iter()
                .find(|it| it.lint == Lint::UnaccountedConnections)
                .unwrap();
            let all = found.render();
            assert_eq!(found.certainty, Certainty::Likely, "{all}");
            assert_eq!(
                Place::from(&found.primary),
                marked("made", "SqlitePool"),
                "{all}"
            );
            assert!(found.title.starts_with("2 of 3 permits of pool"), "{all}");
            assert!(
                found.cause.starts_with("it looks like untracked use"),
                "{all}"
            );
            assert!(found.help[0].contains("`pool.as_sqlx()`"), "{all}");
            let related: Vec<_> = found
                .related
                .iter()
                .map(|it| Place::from(&it.site))
                .collect();
            assert_eq!(related, [marked("one of ours", "acquire")], "{all}");
            drop(elsewhere);
            let recovered = || {
                let lines = lines.of("sqlx_leash::pool");
                lines
                    .iter()
                    .any(|line| line.ends_with("every permit is accounted for again"))
            };
            common::until("every permit is accounted for", recovered).await;
            drop(held);
        });
    });
}

#[test]
fn lent_permits_are_accounted_for() {
    let test = "pressure::untracked::lent_permits_are_accounted_for";
    let _ = in_child_under(test, "unaccounted_connections=1s", |runtime| {
        runtime.block_on(async {
            let pool = bare_pool_of(3).await;
            let _lent = pool.as_sqlx().acquire().await.unwrap();
            let _ours = pool.acquire().await.unwrap();

            let plain = plain_pool().await;
            let tracked = TestPool::of(SqlitePool::from(plain.clone()));
            let _elsewhere = plain.acquire().await.unwrap();
            let _also_ours = tracked.acquire().await.unwrap();
            reported(tracked.name(), Lint::UnaccountedConnections, 1).await;
            watched().await;
            assert_none(&received(pool.name()));
        });
    });
}

#[test]
fn permits_that_come_and_go_are_accounted_for() {
    let test = "pressure::untracked::permits_that_come_and_go_are_accounted_for";
    let _ = in_child_under(test, "unaccounted_connections=1s", |runtime| {
        runtime.block_on(async {
            let pool = pool_named(8, "lively").await;
            let work = async {
                loop {
                    let queries = (0..16).map(|_| sqlx::query("SELECT 1").execute(&*pool));
                    futures::future::join_all(queries).await;
                    pool.acquire().await.unwrap().close().await.unwrap();
                    drop(pool.acquire().await.unwrap().detach());
                    tokio::task::yield_now().await;
                }
            };
            let _ = tokio::time::timeout(Duration::from_secs(4), work).await;
            let found = received("lively");
            assert!(
                found
                    .iter()
                    .all(|found| found.lint != Lint::UnaccountedConnections),
                "{}",
                common::rendered(&found)
            );
        });
    });
}
