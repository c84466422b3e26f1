//! The receivers of a finding: callbacks, the log, standard error.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use leash_tests::in_child;
use sqlx::leash::{self, Level, Lint};
use sqlx::{SqlitePool, track};

use crate::common::pool;

use super::{KEPT, allowed, denied, warned};

#[test]
fn a_callback_runs_before_the_panic_and_may_panic_itself() {
    let printed = in_child(
        "config::reporting::a_callback_runs_before_the_panic_and_may_panic_itself",
        &[],
        |runtime| {
            let received = Arc::new(Mutex::new(Vec::new()));
            let panicked = Arc::new(AtomicBool::new(false));
            leash::on_finding(|_| panic!("the callback is broken"));
            leash::on_finding({
                let (received, panicked) = (Arc::clone(&received), Arc::clone(&panicked));
                move |finding| {
                    // No lock is held here: a callback may query the tracker, or register another callback.
                    let _ = leash::snapshot();
                    received.lock().unwrap().push((
                        finding.lint,
                        finding.level,
                        panicked.load(Relaxed),
                    ));
                }
            });
            let pool = runtime.block_on(pool());
            let task = runtime.spawn({
                let pool = (*pool).clone();
                async move { denied(&pool).await }
            });
            let ended = runtime.block_on(task);
            panicked.store(true, Relaxed);
            assert_eq!(
                ended.is_err(),
                cfg!(debug_assertions),
                "deny panics in a debug build only"
            );
            assert_eq!(
                *received.lock().unwrap(),
                [(Lint::OutlivedScope, Level::Deny, false)]
            );
            runtime.block_on(allowed(&pool));
            assert_eq!(
                received.lock().unwrap().len(),
                1,
                "an allowed finding is not received"
            );
            runtime.block_on(warned(&pool));
            assert_eq!(
                received.lock().unwrap()[1],
                (Lint::OutlivedScope, Level::Warn, true)
            );
            // The callback receives the finding also while a collector is active.
            let ((), findings) = runtime.block_on(leash::testing::findings(denied(&pool)));
            assert_eq!((findings.len(), received.lock().unwrap().len()), (1, 3));
        },
    );
    assert!(
        printed.err.contains("the callback is broken"),
        "{}",
        printed.err
    );
}

/// A finding that was just reported at a place is not reported again, but counted.
#[test]
fn the_second_of_a_kind_is_not_reported_within_a_minute() {
    #[track(warn(outlived_scope))]
    async fn elsewhere(pool: &SqlitePool) {
        let tx = pool.begin().await.unwrap();
        KEPT.lock().unwrap().push(tx);
    }
    let printed = in_child(
        "config::reporting::the_second_of_a_kind_is_not_reported_within_a_minute",
        &[],
        |runtime| {
            let received = Arc::new(AtomicU64::new(0));
            leash::on_finding({
                let received = Arc::clone(&received);
                move |_| _ = received.fetch_add(1, Relaxed)
            });
            let pool = runtime.block_on(pool());
            for _ in 0..3 {
                runtime.block_on(warned(&pool));
            }
            let lints = leash::snapshot().lints;
            let row = lints
                .iter()
                .find(|row| row.lint == Lint::OutlivedScope)
                .unwrap();
            assert_eq!(
                (row.found, row.suppressed, received.load(Relaxed)),
                (3, 2, 3)
            );
            runtime.block_on(elsewhere(&pool));
        },
    );
    if cfg!(debug_assertions) {
        assert_eq!(
            printed.err.matches("config::warned returned while").count(),
            1,
            "{}",
            printed.err
        );
        assert_eq!(
            printed.err.matches("elsewhere returned while").count(),
            1,
            "{}",
            printed.err
        );
    }
}

/// Without a subscriber, a debug build prints the finding to standard error.
#[test]
fn without_a_subscriber_it_is_printed() {
    let printed = in_child(
        "config::reporting::without_a_subscriber_it_is_printed",
        &[],
        |runtime| {
            let pool = runtime.block_on(pool());
            runtime.block_on(warned(&pool));
        },
    );
    let reported = ["warning: outlived_scope:", "warning[outlived_scope]:"]
        .iter()
        .any(|head| printed.err.contains(head));
    assert_eq!(reported, cfg!(debug_assertions), "{}", printed.err);
    assert_eq!(
        printed.err.contains("tests/tests/behaviour/config.rs:"),
        cfg!(debug_assertions),
        "{}",
        printed.err
    );
}
