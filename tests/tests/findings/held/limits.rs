//! The sources of the limit.

use std::time::Duration;

use sqlx::leash::testing::findings;
use sqlx::leash::{Level, Lint};
use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqlitePool, track};

use crate::common::{self, TestPool, in_child_under, marked, only, pool, reported, watched};

#[test]
fn levels_and_limits_in_their_order() {
    #[track]
    async fn plain(pool: &TestPool) {
        let _conn = pool.acquire().await.unwrap();
        watched().await;
    }
    #[track(held_idle = "100ms")]
    async fn limited(pool: &TestPool) {
        let _conn = pool.acquire().await.unwrap();
        watched().await;
    }
    #[track(held_idle = "1h")]
    async fn generous(pool: &TestPool) {
        let _conn = pool.acquire().await.unwrap();
        watched().await;
    }
    #[track(allow(held_idle, reason = "the test wants it"))]
    async fn allowed(pool: &TestPool) {
        let _conn = pool.acquire().await.unwrap();
        watched().await;
    }
    #[track(deny(held_idle), held_idle = "50ms")]
    async fn denied(pool: &TestPool) {
        let _conn = pool.acquire().await.unwrap();
        watched().await;
    }
    async fn level(future: impl Future<Output = ()>) -> Option<Level> {
        let ((), found) = findings(Box::pin(future)).await;
        assert!(found.len() <= 1);
        found.first().map(|found| found.level)
    }
    let environment =
        "held_idle=10ms,held_idle[far]=1h,held_idle[quiet]=allow,held_idle[strict]=deny:5ms";
    let _ = in_child_under(
        "held::limits::levels_and_limits_in_their_order",
        environment,
        |runtime| {
            runtime.block_on(async {
                let named = common::pool_named;
                sqlx::leash::Config::new()
                    .limit(Lint::HeldIdle, Duration::from_hours(2))
                    .install();
                let plain_pool = pool().await;
                let (far, quiet, strict) = (
                    named(2, "far").await,
                    named(2, "quiet").await,
                    named(2, "strict").await,
                );
                // The environment overrides code.
                assert_eq!(level(plain(&plain_pool)).await, Some(Level::Warn));
                // The pool overrides the lint.
                assert_eq!(level(plain(&far)).await, None);
                assert_eq!(level(plain(&quiet)).await, None);
                assert_eq!(level(plain(&strict)).await, Some(Level::Deny));
                // The attribute overrides all of them.
                assert_eq!(level(limited(&far)).await, Some(Level::Warn));
                assert_eq!(level(generous(&plain_pool)).await, None);
                assert_eq!(level(allowed(&plain_pool)).await, None);
                // Deny does not panic here: the watchdog reports the finding, not the program's own path.
                assert_eq!(level(denied(&plain_pool)).await, Some(Level::Deny));
                denied(&plain_pool).await;
            });
        },
    );
}

#[test]
fn code_sets_the_limit_where_nothing_else_does() {
    #[track]
    async fn plain(pool: &TestPool) {
        let _conn = pool.acquire().await.unwrap();
        reported(pool.name(), Lint::HeldIdle, 1).await;
    }
    let test = "held::limits::code_sets_the_limit_where_nothing_else_does";
    let _ = in_child_under(test, "", |runtime| {
        "held_idle=200ms"
            .parse::<sqlx::leash::Config>()
            .unwrap()
            .install();
        runtime.block_on(async {
            let pool = pool().await;
            let ((), found) = findings(plain(&pool)).await;
            assert!(only(found).title.ends_with("the limit is 200 ms"));
        });
    });
}

/// The limit is shorter than the time between two samples, and the hold ends before the second sample.
#[tokio::test]
async fn a_short_limit_is_kept() {
    #[track(held_idle = "100ms")]
    async fn holds_for_a_moment(pool: &SqlitePool) {
        let _conn = pool.acquire().await.unwrap(); // @for a moment
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    let pool = pool().await;
    for _ in 0..2 {
        let ((), found) = findings(holds_for_a_moment(&pool)).await;
        let finding = only(found);
        assert_eq!(finding.lint, Lint::HeldIdle);
        let place = marked("for a moment", "acquire");
        assert_eq!(
            (&finding.primary.file, finding.primary.line),
            (&place.file, place.line)
        );
    }
}

#[track]
async fn opens(pool: &TestPool) -> PoolConnection<Sqlite> {
    pool.acquire().await.unwrap()
}

#[track(held_idle = "1h")]
async fn opens_for_long(pool: &TestPool) -> PoolConnection<Sqlite> {
    pool.acquire().await.unwrap()
}

#[track(held_idle = "100ms")]
async fn has_an_opened_one(pool: &TestPool) {
    let _conn = opens(pool).await;
    reported(pool.name(), Lint::HeldIdle, 1).await;
}

#[track(held_idle = "100ms")]
async fn has_one_opened_for_long(pool: &TestPool) {
    let _conn = opens_for_long(pool).await;
    watched().await;
}

#[track(allow(held_idle, reason = "the test wants it"))]
async fn may_have_an_opened_one(pool: &TestPool) {
    let _conn = opens(pool).await;
    watched().await;
}

/// The options of the function that took the handle come first, then those of the function that has it.
#[tokio::test]
async fn of_the_function_to_which_it_was_returned() {
    let pool = pool().await;
    let ((), found) = findings(has_an_opened_one(&pool)).await;
    let found = only(found);
    let title = "findings::held::limits::has_an_opened_one holds a connection";
    assert!(found.title.starts_with(title), "{}", found.render());
    assert!(
        found.title.contains("the limit is 100 ms"),
        "{}",
        found.render()
    );
    assert!(
        found.label.ends_with("in findings::held::limits::opens"),
        "{}",
        found.render()
    );
    common::silent(has_one_opened_for_long(&pool)).await;
    common::silent(may_have_an_opened_one(&pool)).await;
}
