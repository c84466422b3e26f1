//! The life of the watchdog: one thread while a pool exists, asleep while no handle lives, and no finding about time in
//! which the process stood still.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sqlx::leash::testing::findings;
use sqlx::leash::{self, Lint};
use sqlx::{SqlitePool, track};

use crate::common::{
    TestPool, assert_none, in_child_under, in_memory, only, pool, received, reported, until,
    watched,
};

/// The thread's name, cut to the length that the kernel keeps.
const NAME: &str = "sqlx-leash-watc";

/// The directories of the threads with that name.
fn threads() -> Vec<std::path::PathBuf> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks
        .map(|task| task.unwrap().path())
        .filter(|task| {
            // A thread may end before its file is read.
            std::fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim_end() == NAME)
        })
        .collect()
}

/// The number of times that the watchdog has gone to sleep.
fn sleeps() -> u64 {
    // A new thread has no name yet.
    let thread = loop {
        if let Some(thread) = threads().pop() {
            break thread;
        }
        std::thread::yield_now();
    };
    let status = std::fs::read_to_string(thread.join("status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.unwrap().trim().parse().unwrap()
}

#[test]
fn one_thread_from_the_first_pool_to_the_last() {
    let test = "watchdog::one_thread_from_the_first_pool_to_the_last";
    let _ = in_child_under(test, "", |runtime| {
        runtime.block_on(async {
            assert_eq!(threads().len(), 0);
            for _ in 0..3 {
                let first = in_memory().await;
                until("the thread has started", || threads().len() == 1).await;
                let mut pools = Vec::new();
                for _ in 0..20 {
                    pools.push(in_memory().await);
                }
                sqlx::query("SELECT 1").execute(&first).await.unwrap();
                assert_eq!(threads().len(), 1);
                drop(first);
                watched_elsewhere(&pools[0]).await;
                assert_eq!(threads().len(), 1);
                drop(pools);
                until("the thread has ended", || threads().is_empty()).await;
            }
            // The watchdog works again for another pool.
            watched().await;
        });
    });
}

#[track(held_idle = "50ms")]
async fn watched_elsewhere(pool: &SqlitePool) {
    let pool = TestPool::of(pool.clone());
    let _conn = pool.acquire().await.unwrap();
    reported(pool.name(), Lint::HeldIdle, 1).await;
}

/// A flag that becomes true when a callback receives a `held_idle` finding.
fn idle_is_received() -> Arc<AtomicBool> {
    let is_received = Arc::new(AtomicBool::new(false));
    let reported = Arc::clone(&is_received);
    leash::on_finding(move |finding| {
        reported.fetch_or(finding.lint == Lint::HeldIdle, Relaxed);
    });
    is_received
}

/// The last value of a pool may be dropped before its last connection.
#[test]
fn a_handle_that_outlives_its_pool_is_watched() {
    #[track(held_idle = "50ms")]
    async fn outlives(is_received: &AtomicBool) {
        let pool = in_memory().await;
        let _conn = pool.acquire().await.unwrap();
        drop(pool);
        until("it is received", || is_received.load(Relaxed)).await;
    }
    let test = "watchdog::a_handle_that_outlives_its_pool_is_watched";
    let _ = in_child_under(test, "", |runtime| {
        let is_received = idle_is_received();
        runtime.block_on(async {
            outlives(&is_received).await;
            until("the thread has ended", || threads().is_empty()).await;
        });
    });
}

/// A limit for all functions is checked as closely as one of an attribute, also right after a pass of the watchdog.
#[test]
fn a_short_limit_for_all_is_seen_in_time() {
    #[track]
    async fn idles(pool: &SqlitePool, is_received: &AtomicBool) -> Duration {
        let _conn = pool.acquire().await.unwrap();
        let begun = Instant::now();
        until("it is received", || is_received.swap(false, Relaxed)).await;
        begun.elapsed()
    }
    let test = "watchdog::a_short_limit_for_all_is_seen_in_time";
    let _ = in_child_under(test, "held_idle=100ms", |runtime| {
        let is_received = idle_is_received();
        runtime.block_on(async {
            let pool = in_memory().await;
            let mut reported = Vec::new();
            for _ in 0..5 {
                reported.push(idles(&pool, &is_received).await);
                // The watchdog makes one more pass, sees no handle, and plans the next pass for a second later.
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            // Only the best time counts: the machine may be slow. The first time includes the start of the thread.
            let best = reported[1..].iter().min().unwrap();
            assert!(*best < Duration::from_millis(500), "{reported:?}");
        });
    });
}

#[test]
fn without_a_pool_there_is_none() {
    use sqlx::Connection;
    let _ = in_child_under("watchdog::without_a_pool_there_is_none", "", |runtime| {
        runtime.block_on(async {
            let mut conn = sqlx::SqliteConnection::connect("sqlite::memory:")
                .await
                .unwrap();
            sqlx::query("SELECT 1").execute(&mut conn).await.unwrap();
            assert_eq!(threads().len(), 0);
        });
    });
}

#[track(held_idle = "50ms")]
async fn idles_until(pool: &TestPool, is_received: &AtomicBool) {
    let _conn = pool.acquire().await.unwrap();
    until("it is received", || is_received.load(Relaxed)).await;
}

/// A finding that a callback receives is also collected, however long the callback takes.
#[test]
fn a_received_finding_is_also_collected() {
    let _ = in_child_under(
        "watchdog::a_received_finding_is_also_collected",
        "",
        |runtime| {
            let received: Arc<(AtomicBool, Mutex<()>)> = Arc::default();
            let callback = Arc::clone(&received);
            leash::on_finding(move |_| {
                callback.0.store(true, Relaxed);
                drop(callback.1.lock().unwrap());
            });
            let pool = runtime.block_on(pool());
            let shut = received.1.lock().unwrap();
            let ((), found) = runtime.block_on(findings(idles_until(&pool, &received.0)));
            drop(shut);
            assert_eq!(only(found).lint, Lint::HeldIdle);
        },
    );
}

/// Waits until the watchdog has slept for longer than it ever does while there is a handle to observe.
async fn falls_asleep() {
    // The thread sets its name when it first runs.
    until("the thread has started", || threads().len() == 1).await;
    for _ in 0..20 {
        let before = sleeps();
        tokio::time::sleep(Duration::from_millis(2500)).await;
        if sleeps() == before {
            return;
        }
    }
    panic!("the watchdog makes passes although no handle lives");
}

#[test]
fn it_sleeps_while_nothing_lives() {
    let _ = in_child_under("watchdog::it_sleeps_while_nothing_lives", "", |runtime| {
        runtime.block_on(async {
            let pool = pool().await;
            falls_asleep().await;
            for _ in 0..100 {
                sqlx::query("SELECT 1").execute(&*pool).await.unwrap();
            }
            falls_asleep().await;
            let ((), found) = findings(idle(&pool)).await;
            assert_eq!(only(found).lint, Lint::HeldIdle);
            falls_asleep().await;
        });
    });
}

#[test]
fn it_is_not_woken_by_each_query() {
    let _ = in_child_under("watchdog::it_is_not_woken_by_each_query", "", |runtime| {
        runtime.block_on(async {
            let pool = pool().await;
            falls_asleep().await;
            let before = sleeps();
            for _ in 0..2000 {
                sqlx::query("SELECT 1").execute(&*pool).await.unwrap();
            }
            // A few passes are expected, and more where a busy machine makes a query wait.
            let looks = sleeps() - before;
            assert!(looks < 200, "{looks} looks");
        });
    });
}

#[track(held_idle = "50ms")]
async fn idle(pool: &TestPool) {
    let _conn = pool.acquire().await.unwrap();
    reported(pool.name(), Lint::HeldIdle, 1).await;
}

/// Stops this process for this time.
fn freeze(time: Duration) {
    let script = format!(
        "kill -STOP {pid}; sleep {}; kill -CONT {pid}",
        time.as_secs(),
        pid = std::process::id()
    );
    let mut shell = Command::new("sh").args(["-c", &script]).spawn().unwrap();
    // The process stops during this wait or before it.
    shell.wait().unwrap();
}

#[track(held_idle = "4s", held_too_long = "5s")]
async fn holds_through_a_freeze(pool: &TestPool) {
    let _conn = pool.acquire().await.unwrap();
    // The watchdog has seen the handle.
    watched().await;
    freeze(Duration::from_secs(6));
    watched().await;
    assert_none(&received(pool.name()));
    // Idle time after the freeze counts.
    reported(pool.name(), Lint::HeldIdle, 1).await;
}

#[track(close_blocked = "4s")]
async fn closes_through_a_freeze(pool: &TestPool) {
    futures::join!(pool.close(), async {
        watched().await;
        freeze(Duration::from_secs(6));
        watched().await;
        assert_none(&received(pool.name()));
        reported(pool.name(), Lint::CloseBlocked, 1).await;
    });
}

#[test]
fn a_process_that_was_stopped_has_not_idled() {
    let test = "watchdog::a_process_that_was_stopped_has_not_idled";
    let _ = in_child_under(test, "", |runtime| {
        runtime.block_on(async {
            let pool = pool().await;
            holds_through_a_freeze(&pool).await;
        });
    });
}

#[test]
fn a_process_that_was_stopped_has_not_waited_for_a_pool_to_close() {
    let test = "watchdog::a_process_that_was_stopped_has_not_waited_for_a_pool_to_close";
    let _ = in_child_under(test, "", |runtime| {
        runtime.block_on(async {
            let pool = pool().await;
            let held = pool.acquire().await.unwrap();
            let closes = closes_through_a_freeze(&pool);
            let opens = async {
                reported(pool.name(), Lint::CloseBlocked, 1).await;
                drop(held);
            };
            futures::join!(closes, opens);
        });
    });
}

#[test]
fn off_it_judges_nothing() {
    let _ = in_child_under("watchdog::off_it_judges_nothing", "off", |runtime| {
        runtime.block_on(async {
            let pool = pool().await;
            holds(&pool).await;
            assert_none(&received(pool.name()));
        });
    });
}

#[track(held_idle = "10ms", held_too_long = "10ms")]
async fn holds(pool: &TestPool) {
    let _conn = pool.acquire().await.unwrap();
    tokio::time::sleep(Duration::from_millis(2500)).await;
}
