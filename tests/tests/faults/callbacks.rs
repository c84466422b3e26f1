//! Callbacks of `on_finding` that panic, ask the tracker, and send statements through the pool that the finding is about.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::ThreadId;

use futures::FutureExt;
use leash_tests::{TestPool, in_child, until};
use sqlx::leash::{self, Level, Lint};
use sqlx::{Executor, SqlitePool};
use tokio::runtime::{Builder, Runtime};

use crate::at_fault::{idles, loses_and_unwinds, nests};
use crate::common::{small, whole_again};

/// What was found, and on which thread.
type Heard = Arc<Mutex<Vec<(Lint, ThreadId)>>>;

fn of(heard: &Heard, lint: Lint) -> Vec<ThreadId> {
    let heard = heard.lock().unwrap();
    let of_lint = heard.iter().filter(|(found, _)| *found == lint);
    of_lint.map(|(_, thread)| *thread).collect()
}

/// A function that finds something on the program's path, one while unwinding, and two of the watchdog's.
async fn finds_something(pool: &TestPool, heard: &Heard) {
    nests(pool).await.unwrap();
    let kept = Mutex::default();
    let unwound = AssertUnwindSafe(loses_and_unwinds(pool, &kept))
        .catch_unwind()
        .await;
    assert_eq!(unwound.unwrap_err().downcast_ref(), Some(&"as tested"));
    drop(kept);
    for times in 1..=2 {
        let is_found = || of(heard, Lint::HeldIdle).len() >= times;
        let found = until("the watchdog's finding", is_found);
        idles(pool, found).await.unwrap();
    }
    let here = std::thread::current().id();
    assert_eq!(of(heard, Lint::NestedAcquire), [here]);
    assert_eq!(of(heard, Lint::OutlivedScope), [here]);
    let watchdog = of(heard, Lint::HeldIdle);
    assert!(watchdog.len() == 2 && watchdog[0] == watchdog[1] && watchdog[0] != here);
}

/// Runs `body` in a process of its own, on a runtime that goes on while one of its threads waits in a callback.
fn on_threads(test: &str, body: impl FnOnce(&Runtime)) {
    in_child(test, &[], |_| {
        body(
            &Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap(),
        );
    });
}

/// Each finding is heard, and then `does` is done about it.
fn hears(does: impl Fn() + Send + Sync + 'static) -> Heard {
    let heard = Heard::default();
    let own = Arc::clone(&heard);
    leash::on_finding(move |finding| {
        let here = std::thread::current().id();
        own.lock().unwrap().push((finding.lint, here));
        does();
    });
    heard
}

#[test]
fn that_panic() {
    on_threads("callbacks::that_panic", |runtime| {
        let heard = hears(|| panic!("the callback is broken"));
        runtime.block_on(async {
            let pool = small(2).await;
            finds_something(&pool, &heard).await;
            whole_again(&pool, "callbacks that panic").await;
        });
    });
}

#[test]
fn that_ask_and_set() {
    on_threads("callbacks::that_ask_and_set", |runtime| {
        let slot: Arc<OnceLock<SqlitePool>> = Arc::default();
        let (pool, handle) = (Arc::clone(&slot), runtime.handle().clone());
        let heard = hears(move || {
            let _inside = handle.enter();
            let snapshot = leash::snapshot();
            assert!(!snapshot.to_string().is_empty());
            leash::report();
            leash::Config::new()
                .level(Lint::SlowQuery, Level::Warn)
                .install();
            leash::on_finding(|_| ());
            drop(pool.get().unwrap().try_acquire());
        });
        runtime.block_on(async {
            let pool = small(8).await;
            slot.set((*pool).clone()).unwrap();
            finds_something(&pool, &heard).await;
            whole_again(&pool, "callbacks that ask").await;
        });
    });
}

/// It takes a permit while the function that was interrupted holds two: that is not the function's doing, and no finding.
#[test]
fn that_send_statements() {
    on_threads("callbacks::that_send_statements", |runtime| {
        let slot: Arc<OnceLock<SqlitePool>> = Arc::default();
        let (pool, sent) = (Arc::clone(&slot), Arc::new(AtomicU64::new(0)));
        let counts = Arc::clone(&sent);
        let handle = runtime.handle().clone();
        let heard = hears(move || {
            let _inside = handle.enter();
            let pool = pool.get().unwrap();
            futures::executor::block_on(async {
                let mut tx = pool.begin().await.unwrap();
                tx.execute("INSERT INTO exam (name) VALUES ('found')")
                    .await
                    .unwrap();
                tx.commit().await.unwrap();
            });
            counts.fetch_add(1, Relaxed);
        });
        runtime.block_on(async {
            let pool = small(8).await;
            slot.set((*pool).clone()).unwrap();
            finds_something(&pool, &heard).await;
            assert_eq!(heard.lock().unwrap().len(), 4);
            until("the watchdog's are sent, too", || sent.load(Relaxed) == 4).await;
            whole_again(&pool, "callbacks that send statements").await;
        });
    });
}

/// What a callback's own code does wrong is told to the log, not to callbacks: there would be no end of it.
#[test]
fn that_cause_findings() {
    on_threads("callbacks::that_cause_findings", |runtime| {
        let slot: Arc<OnceLock<SqlitePool>> = Arc::default();
        let pool = Arc::clone(&slot);
        let handle = runtime.handle().clone();
        let heard = hears(move || {
            let _inside = handle.enter();
            futures::executor::block_on(nests(pool.get().unwrap())).unwrap();
        });
        runtime.block_on(async {
            let pool = small(8).await;
            slot.set((*pool).clone()).unwrap();
            nests(&pool).await.unwrap();
            assert_eq!(of(&heard, Lint::NestedAcquire).len(), 1);
            let lints = leash::snapshot().lints;
            let row = lints
                .iter()
                .find(|row| row.lint == Lint::NestedAcquire)
                .unwrap();
            assert_eq!(row.found, 2, "it counts");
            whole_again(&pool, "callbacks that cause findings").await;
        });
    });
}
