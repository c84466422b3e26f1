//! Budgets from the environment, and what a level does to the statement.

use std::panic::AssertUnwindSafe;

use futures::{FutureExt, TryStreamExt};
use sqlx::leash::testing::findings;
use sqlx::leash::{self, Level, Lint, ScopeExt};
use sqlx::mysql::MySqlPoolOptions;
use sqlx::{Executor, MySqlPool, SqlitePool, track};

use crate::common::{
    self, DENY_IN_DEBUG, TestPool, assert_none, in_child_under, marked, only, pool,
};

use super::exactly;
use super::found::two;

/// The function and level of each finding that `future` causes, in a child process.
async fn budgets_broken(future: impl Future<Output = ()>) -> Vec<(String, Level)> {
    use std::sync::Mutex;
    static FOUND: Mutex<Vec<(String, Level)>> = Mutex::new(Vec::new());
    static LISTEN: std::sync::Once = std::sync::Once::new();
    LISTEN.call_once(|| {
        leash::on_finding(|found| {
            if found.lint == Lint::QueryBudget {
                let function = found.function.clone().unwrap();
                FOUND.lock().unwrap().push((function, found.level));
            }
        });
    });
    FOUND.lock().unwrap().clear();
    future.await;
    FOUND.lock().unwrap().clone()
}

#[test]
fn the_environment_limits_root_scopes_only() {
    #[track]
    async fn root(pool: &SqlitePool) {
        two(pool).await;
        two(pool).await;
    }
    #[track(max_queries = 10)]
    async fn generous(pool: &SqlitePool) {
        root(pool).await;
    }
    #[track(root)]
    async fn root_further_in(pool: &SqlitePool) {
        root(pool).await;
    }
    #[track(max_queries = 10)]
    async fn calls_a_root(pool: &SqlitePool) {
        root_further_in(pool).await;
    }
    let test = "budget::levels::the_environment_limits_root_scopes_only";
    let _ = in_child_under(test, "query_budget=warn:3", |runtime| {
        runtime.block_on(async {
            let pool = pool().await;
            let name = |function: &str| {
                let module = "findings::budget::levels::the_environment_limits_root_scopes_only";
                format!("{module}::{function}")
            };
            assert_eq!(
                budgets_broken(root(&pool)).await,
                [(name("root"), Level::Warn)]
            );
            // The attribute overrides the environment, and its callee is not a root scope.
            assert_eq!(budgets_broken(generous(&pool)).await, []);
            assert_eq!(
                budgets_broken(calls_a_root(&pool)).await,
                [(name("root_further_in"), Level::Warn)]
            );
            let carried = leash::scope("request", async {
                two(&pool).await;
                let pool = pool.clone();
                tokio::spawn(async move { two(&pool).await }.in_current_scope())
                    .await
                    .unwrap();
            });
            assert_eq!(
                budgets_broken(carried).await,
                [("request".to_owned(), Level::Warn)]
            );
        });
    });
}

#[test]
fn the_environment_beats_code() {
    #[track]
    async fn root(pool: &SqlitePool) {
        two(pool).await;
        two(pool).await;
    }
    let _ = in_child_under(
        "budget::levels::the_environment_beats_code",
        "query_budget=warn:9",
        |runtime| {
            leash::Config::new().limit(Lint::QueryBudget, 1).install();
            runtime.block_on(async {
                let pool = pool().await;
                assert_eq!(budgets_broken(root(&pool)).await, []);
            });
        },
    );
}

#[track(max_queries = 1)]
async fn breaks_it(pool: &TestPool) {
    let mut conn = pool.acquire().await.unwrap();
    conn.execute("SELECT 1").await.unwrap();
    let insert = "INSERT INTO exam (name) VALUES ('a')";
    conn.execute(insert).await.unwrap(); // @breaks it
}

#[track(max_queries = 1)]
async fn breaks_it_on_the_pool(pool: &TestPool) {
    sqlx::query("SELECT 1").fetch_all(&**pool).await.unwrap();
    sqlx::query("INSERT INTO exam (name) VALUES ('a')")
        .execute(&**pool) // @breaks it on the pool
        .await
        .unwrap();
}

#[track(max_queries = 1)]
async fn breaks_it_by_a_stream(pool: &TestPool) {
    sqlx::query("SELECT 1").fetch_all(&**pool).await.unwrap();
    let mut rows = sqlx::query("INSERT INTO exam (name) VALUES ('a') RETURNING id").fetch(&**pool);
    let _ = rows.try_next().await;
}

#[test]
fn at_deny_it_panics_at_the_query_before_that_is_sent() {
    let test = "budget::levels::at_deny_it_panics_at_the_query_before_that_is_sent";
    let printed = in_child_under(test, "", |runtime| {
        runtime.block_on(async {
            let pool = common::pool_of(1).await;
            let panics = [
                AssertUnwindSafe(breaks_it(&pool))
                    .catch_unwind()
                    .await
                    .is_err(),
                AssertUnwindSafe(breaks_it_on_the_pool(&pool))
                    .catch_unwind()
                    .await
                    .is_err(),
                AssertUnwindSafe(breaks_it_by_a_stream(&pool))
                    .catch_unwind()
                    .await
                    .is_err(),
            ];
            assert_eq!(panics, [cfg!(debug_assertions); 3]);
            // The only connection was returned, and nothing was written.
            assert!(pool.handles().is_empty());
            let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM exam")
                .fetch_one(&*pool)
                .await
                .unwrap();
            assert_eq!(rows == 0, cfg!(debug_assertions));
        });
    });
    if cfg!(debug_assertions) {
        for place in [
            marked("breaks it", "execute"),
            marked("breaks it on the pool", "execute"),
        ] {
            let at = format!(
                "panicked at {}:{}:{}:",
                place.file, place.line, place.column
            );
            assert!(printed.contains(&at), "no `{at}` in:\n{printed}");
        }
        assert_eq!(
            printed
                .matches("panicked at tests/tests/findings/budget/levels.rs")
                .count(),
            3
        );
    }
}

#[track(max_queries = 1, warn(query_budget))]
async fn warned(pool: &TestPool) {
    two(pool).await;
}

#[test]
fn at_warn_nothing_panics_and_the_statement_is_sent() {
    let test = "budget::levels::at_warn_nothing_panics_and_the_statement_is_sent";
    let printed = in_child_under(test, "", |runtime| {
        runtime.block_on(async { warned(&pool().await).await });
    });
    assert!(!printed.contains("panicked"), "{printed}");
    assert_eq!(
        printed.contains("warning[query_budget]"),
        cfg!(debug_assertions),
        "{printed}"
    );
}

#[tokio::test]
async fn a_cap_keeps_it_from_panicking() {
    let pool = pool().await;
    // Within `findings`, the collector caps the level.
    let ((), found) = findings(breaks_it(&pool)).await;
    assert_eq!(only(found).level, DENY_IN_DEBUG);
    let ((), found) = findings(exactly(&pool)).await;
    assert_none(&found);
}

/// The statement was not sent, so there is no answer to wait for: the connection stays usable. A statement that was
/// sent and then cancelled would close it.
#[tokio::test]
async fn an_unsent_statement_does_not_close_the_connection() {
    #[track(max_queries = 1)]
    async fn one_too_many(pool: &MySqlPool) -> sqlx::Result<()> {
        let mut conn = pool.acquire().await?;
        conn.execute("SELECT 1").await?;
        conn.execute("SELECT 2").await?;
        Ok(())
    }
    let Some(db) = leash_test_support::mysql().await else {
        return;
    };
    let options = MySqlPoolOptions::new().max_connections(1);
    let pool = options.connect(db.url()).await.unwrap();
    let session = async || {
        let session: u64 = sqlx::query_scalar("SELECT CONNECTION_ID()")
            .fetch_one(&pool)
            .await
            .unwrap();
        session
    };
    let before = session().await;
    let panicked = AssertUnwindSafe(one_too_many(&pool)).catch_unwind().await;
    assert_eq!(panicked.is_err(), cfg!(debug_assertions));
    assert_eq!(session().await, before, "the same connection");
}
