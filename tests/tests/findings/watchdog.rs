//! The watchdog's life: one thread while there is a pool, asleep while nothing lives, and no judge of what nobody could do.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sqlx::leash::testing::findings;
use sqlx::leash::{self, Lint};
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{SqlitePool, track};

use crate::common::{
    TestPool, assert_none, heard, in_child_under, only, pool, told, until, watched,
};

/// The thread's name, as far as the kernel keeps it.
const NAME: &str = "sqlx-leash-watc";

/// The directories of the threads of that name.
fn threads() -> Vec<std::path::PathBuf> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks
        .map(|task| task.unwrap().path())
        .filter(|task| {
            // A thread may end while it is looked at.
            std::fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim_end() == NAME)
        })
        .collect()
}

/// How often the watchdog has gone to sleep.
fn sleeps() -> u64 {
    // A thread that was just made has no name yet.
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

async fn connect() -> SqlitePool {
    SqlitePoolOptions::new()
        .connect("sqlite::memory:")
        .await
        .unwrap()
}

#[test]
fn one_thread_from_the_first_pool_to_the_last() {
    let test = "watchdog::one_thread_from_the_first_pool_to_the_last";
    let _ = in_child_under(test, "", |runtime| {
        runtime.block_on(async {
            assert_eq!(threads().len(), 0);
            for _ in 0..3 {
                let first = connect().await;
                until("it has started", || threads().len() == 1).await;
                let mut pools = Vec::new();
                for _ in 0..20 {
                    pools.push(connect().await);
                }
                sqlx::query("SELECT 1").execute(&first).await.unwrap();
                assert_eq!(threads().len(), 1);
                drop(first);
                watched_elsewhere(&pools[0]).await;
                assert_eq!(threads().len(), 1);
                drop(pools);
                until("it has gone", || threads().is_empty()).await;
            }
            // It works again for another pool.
            watched().await;
        });
    });
}

#[track(held_idle = "50ms")]
async fn watched_elsewhere(pool: &SqlitePool) {
    let pool = TestPool::of(pool.clone());
    let _conn = pool.acquire().await.unwrap();
    told(pool.name(), Lint::HeldIdle, 1).await;
}

/// Becomes true when somebody is told of an idle handle.
fn idle_is_heard() -> Arc<AtomicBool> {
    let is_heard = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&is_heard);
    leash::on_finding(move |finding| {
        told.fetch_or(finding.lint == Lint::HeldIdle, Relaxed);
    });
    is_heard
}

/// The last value of a pool may go before its last connection does.
#[test]
fn a_handle_that_outlives_its_pool_is_watched() {
    #[track(held_idle = "50ms")]
    async fn outlives(is_heard: &AtomicBool) {
        let pool = connect().await;
        let _conn = pool.acquire().await.unwrap();
        drop(pool);
        until("it is heard", || is_heard.load(Relaxed)).await;
    }
    let test = "watchdog::a_handle_that_outlives_its_pool_is_watched";
    let _ = in_child_under(test, "", |runtime| {
        let is_heard = idle_is_heard();
        runtime.block_on(async {
            outlives(&is_heard).await;
            until("it has gone", || threads().is_empty()).await;
        });
    });
}

/// A limit for all is looked at as closely as one of an attribute, also where the watchdog has just looked.
#[test]
fn a_short_limit_for_all_is_seen_in_time() {
    #[track]
    async fn idles(pool: &SqlitePool, is_heard: &AtomicBool) -> Duration {
        let _conn = pool.acquire().await.unwrap();
        let begun = Instant::now();
        until("it is heard", || is_heard.swap(false, Relaxed)).await;
        begun.elapsed()
    }
    let test = "watchdog::a_short_limit_for_all_is_seen_in_time";
    let _ = in_child_under(test, "held_idle=100ms", |runtime| {
        let is_heard = idle_is_heard();
        runtime.block_on(async {
            let pool = connect().await;
            let mut told = Vec::new();
            for _ in 0..5 {
                told.push(idles(&pool, &is_heard).await);
                // It looks once more, sees nothing, and means to look again in a second.
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            // Not each of them: the machine may be slow. The first begins with a thread that was just made.
            let best = told[1..].iter().min().unwrap();
            assert!(*best < Duration::from_millis(500), "{told:?}");
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
async fn idles_until(pool: &TestPool, is_heard: &AtomicBool) {
    let _conn = pool.acquire().await.unwrap();
    until("it is heard", || is_heard.load(Relaxed)).await;
}

/// Who waits until a finding is heard has it among those collected, however long the callback takes.
#[test]
fn what_is_heard_is_collected() {
    let _ = in_child_under("watchdog::what_is_heard_is_collected", "", |runtime| {
        let heard: Arc<(AtomicBool, Mutex<()>)> = Arc::default();
        let callback = Arc::clone(&heard);
        leash::on_finding(move |_| {
            callback.0.store(true, Relaxed);
            drop(callback.1.lock().unwrap());
        });
        let pool = runtime.block_on(pool());
        let shut = heard.1.lock().unwrap();
        let ((), found) = runtime.block_on(findings(idles_until(&pool, &heard.0)));
        drop(shut);
        assert_eq!(only(found).lint, Lint::HeldIdle);
    });
}

/// Waits until it has slept for longer than it ever does while there is something to see.
async fn falls_asleep() {
    // It names itself when it runs for the first time.
    until("it has started", || threads().len() == 1).await;
    for _ in 0..20 {
        let before = sleeps();
        tokio::time::sleep(Duration::from_millis(2500)).await;
        if sleeps() == before {
            return;
        }
    }
    panic!("it looks although there is nothing to see");
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
            // It looks now and then, and closely where a busy machine makes a query wait.
            let looks = sleeps() - before;
            assert!(looks < 200, "{looks} looks");
        });
    });
}

#[track(held_idle = "50ms")]
async fn idle(pool: &TestPool) {
    let _conn = pool.acquire().await.unwrap();
    told(pool.name(), Lint::HeldIdle, 1).await;
}

/// Stops this process for so long.
fn freeze(time: Duration) {
    let script = format!(
        "kill -STOP {pid}; sleep {}; kill -CONT {pid}",
        time.as_secs(),
        pid = std::process::id()
    );
    let mut shell = Command::new("sh").args(["-c", &script]).spawn().unwrap();
    // Stopped in here, or before.
    shell.wait().unwrap();
}

#[track(held_idle = "4s", held_too_long = "5s")]
async fn holds_through_a_freeze(pool: &TestPool) {
    let _conn = pool.acquire().await.unwrap();
    // The watchdog has seen it.
    watched().await;
    freeze(Duration::from_secs(6));
    watched().await;
    assert_none(&heard(pool.name()));
    // What it does not do from then on counts.
    told(pool.name(), Lint::HeldIdle, 1).await;
}

#[track(close_blocked = "4s")]
async fn closes_through_a_freeze(pool: &TestPool) {
    futures::join!(pool.close(), async {
        watched().await;
        freeze(Duration::from_secs(6));
        watched().await;
        assert_none(&heard(pool.name()));
        told(pool.name(), Lint::CloseBlocked, 1).await;
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
                told(pool.name(), Lint::CloseBlocked, 1).await;
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
            assert_none(&heard(pool.name()));
        });
    });
}

#[track(held_idle = "10ms", held_too_long = "10ms")]
async fn holds(pool: &TestPool) {
    let _conn = pool.acquire().await.unwrap();
    tokio::time::sleep(Duration::from_millis(2500)).await;
}
