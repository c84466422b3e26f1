//! Callbacks of `on_finding` that panic, query the tracker, or send statements through the pool that the finding is
//! about.

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

/// The lint of each received finding, and the thread that reported it.
type Received = Arc<Mutex<Vec<(Lint, ThreadId)>>>;

fn of(received: &Received, lint: Lint) -> Vec<ThreadId> {
    let received = received.lock().unwrap();
    let of_lint = received.iter().filter(|(found, _)| *found == lint);
    of_lint.map(|(_, thread)| *thread).collect()
}

/// Causes a finding on the program's path, one while unwinding, and two by the watchdog.
async fn finds_something(pool: &TestPool, received: &Received) {
    nests(pool).await.unwrap();
    let kept = Mutex::default();
    let unwound = AssertUnwindSafe(loses_and_unwinds(pool, &kept))
        .catch_unwind()
        .await;
    assert_eq!(unwound.unwrap_err().downcast_ref(), Some(&"as tested"));
    drop(kept);
    for times in 1..=2 {
        let is_found = || of(received, Lint::HeldIdle).len() >= times;
        let found = until("the watchdog's finding", is_found);
        idles(pool, found).await.unwrap();
    }
    let here = std::thread::current().id();
    assert_eq!(of(received, Lint::NestedAcquire), [here]);
    assert_eq!(of(received, Lint::OutlivedScope), [here]);
    let watchdog = of(received, Lint::HeldIdle);
    assert!(watchdog.len() == 2 && watchdog[0] == watchdog[1] && watchdog[0] != here);
}

/// Runs `body` in its own process, on a runtime that keeps running while one of its threads blocks in a callback.
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

/// Installs a callback that stores each finding and then calls `does`.
fn on_each_finding(does: impl Fn() + Send + Sync + 'static) -> Received {
    let received = Received::default();
    let own = Arc::clone(&received);
    leash::on_finding(move |finding| {
        let here = std::thread::current().id();
        own.lock().unwrap().push((finding.lint, here));
        does();
    });
    received
}

#[test]
fn that_panic() {
    on_threads("callbacks::that_panic", |runtime| {
        let received = on_each_finding(|| panic!("the callback is broken"));
        runtime.block_on(async {
            let pool = small(2).await;
            finds_something(&pool, &received).await;
            whole_again(&pool, "callbacks that panic").await;
        });
    });
}

#[test]
fn that_ask_and_set() {
    on_threads("callbacks::that_ask_and_set", |runtime| {
        let slot: Arc<OnceLock<SqlitePool>> = Arc::default();
        let (pool, handle) = (Arc::clone(&slot), runtime.handle().clone());
        let received = on_each_finding(move || {
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
            finds_something(&pool, &received).await;
            whole_again(&pool, "callbacks that ask").await;
        });
    });
}

/// The callback acquires a permit while the interrupted function holds two. The function did not cause that: no
/// finding.
#[test]
fn that_send_statements() {
    on_threads("callbacks::that_send_statements", |runtime| {
        let slot: Arc<OnceLock<SqlitePool>> = Arc::default();
        let (pool, sent) = (Arc::clone(&slot), Arc::new(AtomicU64::new(0)));
        let counts = Arc::clone(&sent);
        let handle = runtime.handle().clone();
        let received = on_each_finding(move || {
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
            finds_something(&pool, &received).await;
            assert_eq!(received.lock().unwrap().len(), 4);
            until("the watchdog's are sent, too", || sent.load(Relaxed) == 4).await;
            whole_again(&pool, "callbacks that send statements").await;
        });
    });
}

/// A fault of the callback's own code is reported to the log, not to callbacks: otherwise the callbacks would never
/// end.
#[test]
fn that_cause_findings() {
    on_threads("callbacks::that_cause_findings", |runtime| {
        let slot: Arc<OnceLock<SqlitePool>> = Arc::default();
        let pool = Arc::clone(&slot);
        let handle = runtime.handle().clone();
        let received = on_each_finding(move || {
            let _inside = handle.enter();
            futures::executor::block_on(nests(pool.get().unwrap())).unwrap();
        });
        runtime.block_on(async {
            let pool = small(8).await;
            slot.set((*pool).clone()).unwrap();
            nests(&pool).await.unwrap();
            assert_eq!(of(&received, Lint::NestedAcquire).len(), 1);
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
