//! `fail=likely`: what is only likely, or was found where the program cannot panic, fails a test as well.

use std::process::Command;
use std::time::Duration;

use leash_tests::{in_child, until};
use sqlx::leash::{self, Lint, ScopeExt};
use sqlx::{SqlitePool, track};

use super::KEPT;
use crate::common::{poll_until, pool};

/// The panic of `future`, which runs in a task of its own; `None` where it does not panic.
async fn panic_of(future: impl Future<Output = ()> + Send + 'static) -> Option<String> {
    let panic = tokio::spawn(future).await.err()?.into_panic();
    Some(*panic.downcast::<String>().unwrap())
}

async fn asleep() {
    tokio::time::sleep(Duration::from_millis(200)).await;
}

/// Likely: an error may have been handled in the loop.
#[track]
async fn drops_in_a_loop(pool: &SqlitePool) {
    for id in 0..1 {
        let mut tx = pool.begin().await.unwrap();
        sqlx::query("INSERT INTO exam VALUES (?, 'x')")
            .bind(id)
            .execute(&mut *tx)
            .await
            .unwrap();
    }
}

/// Found by the watchdog, while the function runs.
#[track(held_idle = "20ms")]
async fn sleeps(pool: &SqlitePool) {
    let idle = || {
        let lints = leash::snapshot().lints;
        let idle = lints.iter().find(|it| it.lint == Lint::HeldIdle);
        idle.map_or(0, |it| it.found)
    };
    let before = idle();
    let conn = pool.acquire().await.unwrap();
    until("a finding", || idle() > before).await;
    // It is counted first, and reported right after.
    asleep().await;
    drop(conn);
}

/// Near miss.
#[track(held_idle = "1h")]
async fn sleeps_rightly(pool: &SqlitePool) {
    let conn = pool.acquire().await.unwrap();
    asleep().await;
    drop(conn);
}

/// Its scope is cancelled, and a destructor finds what it leaves.
#[track]
async fn is_cancelled(pool: &SqlitePool) {
    let tx = pool.begin().await.unwrap();
    KEPT.lock().unwrap().push(tx);
    std::future::pending::<()>().await;
}

#[track]
async fn cancels(pool: &SqlitePool) {
    poll_until(is_cancelled(pool), || !KEPT.lock().unwrap().is_empty()).await;
}

const LIKELY: &str = "all=deny,fail=likely";

/// Runs the body in a child with each setting; `fails` is whether the future must panic there.
macro_rules! fails {
    ($name:ident, $future:expr, $says:literal) => {
        #[test]
        fn $name() {
            let test = concat!("config::failing::", stringify!($name));
            let settings = [
                (LIKELY, cfg!(debug_assertions)),
                ("all=deny", false),
                ("all=deny,fail=certain", false),
                ("all=warn,fail=likely", false),
                ("all=deny,fail=likely,cap=warn", false),
            ];
            for (setting, fails) in settings {
                let variables = [
                    ("SQLX_LEASH", setting),
                    ("LEASH_TEST_FAILS", if fails { "yes" } else { "no" }),
                ];
                in_child(test, &variables, |runtime| {
                    let fails = std::env::var("LEASH_TEST_FAILS").unwrap() == "yes";
                    let panic = runtime.block_on(async {
                        let pool = pool().await;
                        let pool = (*pool).clone();
                        panic_of(async move { ($future)(&pool).await }).await
                    });
                    assert_eq!(panic.is_some(), fails, "{panic:?}");
                    if let Some(panic) = panic {
                        assert!(panic.contains($says), "{panic}");
                    }
                });
            }
        }
    };
}

fails!(
    a_likely_one_panics_at_the_return,
    drops_in_a_loop,
    "implicit_rollback"
);
fails!(
    what_the_watchdog_finds_fails_the_function_that_it_is_about,
    sleeps,
    "error[held_idle]"
);
fails!(
    what_a_destructor_finds_fails_the_function_around_it,
    cancels,
    "`fail=likely` makes it fail here"
);
fails!(
    a_named_scope_fails_where_nothing_else_can,
    async |pool: &SqlitePool| {
        leash::scope("request", async {
            let mut tx = pool.begin().await.unwrap();
            sqlx::query("INSERT INTO exam VALUES (1, 'x')")
                .execute(&mut *tx)
                .await
                .unwrap();
        })
        .await;
    },
    "implicit_rollback"
);
fails!(
    a_carried_task_fails_the_scope_that_it_belongs_to,
    async |pool: &SqlitePool| {
        leash::scope("request", async {
            let pool = pool.clone();
            let task = async move {
                let mut tx = pool.begin().await.unwrap();
                sqlx::query("INSERT INTO exam VALUES (1, 'x')")
                    .execute(&mut *tx)
                    .await
                    .unwrap();
            };
            tokio::spawn(task.in_current_scope()).await.unwrap();
        })
        .await;
    },
    "implicit_rollback"
);

#[test]
fn nothing_fails_without_a_finding() {
    let test = "config::failing::nothing_fails_without_a_finding";
    in_child(test, &[("SQLX_LEASH", LIKELY)], |runtime| {
        let panic = runtime.block_on(async {
            let pool = pool().await;
            let pool = (*pool).clone();
            panic_of(async move { sleeps_rightly(&pool).await }).await
        });
        assert_eq!(panic, None);
    });
}

/// What a test collects does not fail it, and what came to nothing once does not fail the next function.
#[test]
fn what_a_test_looks_at_does_not_fail_it() {
    let test = "config::failing::what_a_test_looks_at_does_not_fail_it";
    in_child(test, &[("SQLX_LEASH", LIKELY)], |runtime| {
        runtime.block_on(async {
            let pool = pool().await;
            let ((), found) = leash::testing::findings(sleeps(&pool)).await;
            assert_eq!(found.len(), 1);
            let ((), found) = leash::testing::findings(drops_in_a_loop(&pool)).await;
            assert_eq!(found.len(), 1);
            sleeps_rightly(&pool).await;
        });
    });
}

/// A finding whose task panics for another reason does not panic a second time.
#[test]
fn nothing_panics_while_unwinding() {
    #[track(held_idle = "20ms")]
    async fn panics(pool: &SqlitePool) {
        let _conn = pool.acquire().await.unwrap();
        asleep().await;
        panic!("another reason");
    }
    let test = "config::failing::nothing_panics_while_unwinding";
    in_child(test, &[("SQLX_LEASH", LIKELY)], |runtime| {
        runtime.block_on(async {
            let pool = pool().await;
            let pool = (*pool).clone();
            let ended = tokio::spawn(async move { panics(&pool).await }).await;
            let panic = ended.unwrap_err().into_panic();
            assert_eq!(*panic.downcast::<&str>().unwrap(), "another reason");
        });
    });
}

#[test]
fn a_clean_future_is_asserted() {
    let test = "config::failing::a_clean_future_is_asserted";
    in_child(test, &[], |runtime| {
        let panic = runtime.block_on(async {
            let pool = pool().await;
            let pool = (*pool).clone();
            leash::testing::assert_clean!(sleeps_rightly(&pool));
            panic_of(async move { leash::testing::assert_clean!(sleeps(&pool)) }).await
        });
        let panic = panic.expect("it is not clean");
        assert!(
            panic.starts_with("expected no finding; their number is 1:")
                && panic.contains("[held_idle]"),
            "{panic}"
        );
    });
}

/// A handle of no scope, or of one that has ended: nothing but the test itself is left to fail.
#[sqlx::test(migrations = false)]
#[ignore = "run by `what_belongs_to_no_function_fails_the_sqlx_test_of_its_pool`"]
async fn holds_outside_of_functions(pool: SqlitePool) {
    let conn = pool.acquire().await.unwrap();
    asleep().await;
    drop(conn);
}

#[sqlx::test(migrations = false)]
#[ignore = "run by `what_belongs_to_no_function_fails_the_sqlx_test_of_its_pool`"]
async fn holds_briefly(pool: SqlitePool) {
    drop(pool.acquire().await.unwrap());
    tokio::time::sleep(Duration::from_millis(400)).await;
}

#[test]
fn what_belongs_to_no_function_fails_the_sqlx_test_of_its_pool() {
    let folder = tempfile::tempdir().unwrap();
    // Both at once: each fails for its own pool alone.
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--test-threads=2", "config::failing::holds_"])
        .env("DATABASE_URL", "sqlite::memory:")
        .env("SQLX_LEASH", "all=deny,fail=likely,held_idle=20ms")
        .current_dir(folder.path())
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(
        out.contains("config::failing::holds_briefly ... ok"),
        "{out}"
    );
    let failed = "config::failing::holds_outside_of_functions ... FAILED";
    assert_eq!(out.contains(failed), cfg!(debug_assertions), "{out}");
    assert_eq!(
        out.contains("error[held_idle]"),
        cfg!(debug_assertions),
        "{out}"
    );
}
