//! What a level does to `pool_settings`.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use sqlx::leash::testing::findings;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{SqlitePool, track};

use super::memory;
use crate::common::{Place, assert_none, in_child_under, marked, note_panics, panics_about};

const MEMORY: &str = "sqlite::memory:";

#[track(deny(pool_settings, reason = "a test"))]
async fn connects() -> sqlx::Result<SqlitePool> {
    SqlitePool::connect(MEMORY).await // @await connect
}

#[track(deny(pool_settings, reason = "a test"))]
async fn connects_with_options() -> sqlx::Result<SqlitePool> {
    SqlitePool::connect_with(memory()).await // @await connect_with
}

#[track(deny(pool_settings, reason = "a test"))]
async fn connects_lazily() -> sqlx::Result<SqlitePool> {
    SqlitePool::connect_lazy(MEMORY) // @lazy
}

#[track(deny(pool_settings, reason = "a test"))]
async fn connects_lazily_with_options() -> sqlx::Result<SqlitePool> {
    Ok(SqlitePoolOptions::new().connect_lazy_with(memory())) // @lazy with
}

/// Another connection may keep the database, so nothing is certain.
#[track(deny(pool_settings, reason = "a test"))]
async fn connects_to_a_shared_one() -> sqlx::Result<SqlitePool> {
    SqlitePool::connect("sqlite:file:levels?mode=memory").await
}

#[track(allow(pool_settings, reason = "a test"))]
async fn is_allowed() -> sqlx::Result<SqlitePool> {
    SqlitePool::connect(MEMORY).await
}

async fn is_not_tracked() -> sqlx::Result<SqlitePool> {
    SqlitePool::connect(MEMORY).await // @await untracked
}

/// The place at which `connecting` panics.
async fn panic_of(connecting: impl Future<Output = sqlx::Result<SqlitePool>>) -> Place {
    let before = panics_about(":memory:").len();
    let caught = AssertUnwindSafe(connecting).catch_unwind().await;
    assert!(caught.is_err(), "no panic");
    let panics = panics_about(":memory:");
    assert_eq!(panics.len(), before + 1);
    panics[before].0.clone()
}

#[test]
#[cfg(debug_assertions)]
fn a_denied_one_panics_at_the_connect() {
    let test = "settings::levels::a_denied_one_panics_at_the_connect";
    in_child_under(test, "", |runtime| {
        note_panics();
        runtime.block_on(async {
            let places = [
                (panic_of(connects()).await, marked("await connect", "await")),
                (
                    panic_of(connects_with_options()).await,
                    marked("await connect_with", "await"),
                ),
                (
                    panic_of(connects_lazily()).await,
                    marked("lazy", "SqlitePool::connect_lazy"),
                ),
                (
                    panic_of(connects_lazily_with_options()).await,
                    marked("lazy with", "connect_lazy_with"),
                ),
            ];
            for (place, expected) in places {
                assert_eq!(place, expected);
            }
            connects_to_a_shared_one().await.unwrap();
            is_allowed().await.unwrap();
            is_not_tracked().await.unwrap();
        });
    });
}

#[test]
#[cfg(debug_assertions)]
fn untracked_code_panics_where_it_awaits() {
    let test = "settings::levels::untracked_code_panics_where_it_awaits";
    in_child_under(test, "pool_settings=deny", |runtime| {
        note_panics();
        let place = runtime.block_on(panic_of(is_not_tracked()));
        assert_eq!(place, marked("await untracked", "await"));
    });
}

/// A minimum above the maximum is certain, a short lifetime likely. The connect that has no time fails, and panics all the same.
#[test]
#[cfg(debug_assertions)]
fn contradictions_of_the_options_panic_too() {
    let test = "settings::levels::contradictions_of_the_options_panic_too";
    in_child_under(test, "pool_settings=deny,pool_timeout=allow", |runtime| {
        let directory = tempfile::tempdir().unwrap();
        let file = SqliteConnectOptions::new()
            .filename(directory.path().join("levels.db"))
            .create_if_missing(true);
        let no_time = SqlitePoolOptions::new().acquire_timeout(Duration::ZERO);
        let connecting = AssertUnwindSafe(no_time.connect_with(file.clone())).catch_unwind();
        let panicked = runtime.block_on(connecting).unwrap_err();
        let message = panicked.downcast::<String>().unwrap();
        assert!(message.contains("`acquire_timeout` is zero"), "{message}");

        let short = SqlitePoolOptions::new().max_lifetime(Duration::from_secs(50));
        let pool = runtime.block_on(short.connect_with(file.clone()));
        pool.unwrap();

        let above = SqlitePoolOptions::new().min_connections(11);
        let connecting = AssertUnwindSafe(async { above.connect_lazy_with(file) });
        let panicked = runtime.block_on(connecting.catch_unwind()).unwrap_err();
        let message = panicked.downcast::<String>().unwrap();
        assert!(message.contains("may open 10"), "{message}");
    });
}

#[tokio::test]
async fn an_allowed_one_is_silent() {
    let (pool, found) = findings(is_allowed()).await;
    pool.unwrap();
    assert_none(&found);
}

/// The help of the finding: the pool has no other name when it is made.
#[test]
fn it_is_allowed_by_the_name_of_the_pool() {
    let test = "settings::levels::it_is_allowed_by_the_name_of_the_pool";
    in_child_under(test, "pool_settings[:memory:]=allow", |runtime| {
        let (pool, found) = runtime.block_on(findings(is_not_tracked()));
        pool.unwrap();
        assert_none(&found);
    });
}

#[test]
fn nothing_is_judged_while_all_is_off() {
    let test = "settings::levels::nothing_is_judged_while_all_is_off";
    in_child_under(test, "off", |runtime| {
        let (pools, found) = runtime.block_on(findings(async {
            (
                is_not_tracked().await.unwrap(),
                connects_lazily().await.unwrap(),
            )
        }));
        drop(pools);
        assert_none(&found);
    });
}

/// One program that makes its pool again and again is reported once.
#[test]
fn a_place_is_told_once() {
    let test = "settings::levels::a_place_is_told_once";
    let printed = in_child_under(test, "", |runtime| {
        runtime.block_on(async {
            for _ in 0..3 {
                is_not_tracked().await.unwrap();
            }
        });
    });
    let told = printed.matches("warning[pool_settings]").count();
    assert_eq!(told, usize::from(cfg!(debug_assertions)), "{printed}");
}
