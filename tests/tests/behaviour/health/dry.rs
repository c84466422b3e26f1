//! Pools that are dry, by each verdict, and checks while they are.

use std::sync::mpsc;
use std::thread;

use futures::future::join_all;
use sqlx::leash::{HealthStatus, ScopeExt, Verdict};
use sqlx::track;
use tokio::sync::{Barrier, Notify};

use super::*;

#[track(allow(nested_acquire, reason = "the test wants it"))]
async fn hoards(pool: &SqlitePool, taken: &Notify, released: &Notify) {
    let held = pool.acquire().await.unwrap();
    taken.notify_one();
    released.notified().await;
    drop(held);
}

#[track(allow(
    nested_acquire,
    pool_deadlock,
    reason = "the test wants the deadlock to last"
))]
async fn takes_two(pool: &SqlitePool, meet: &Barrier) -> sqlx::Result<()> {
    let one = pool.acquire().await?;
    meet.wait().await;
    let other = pool.acquire().await?;
    drop((one, other));
    Ok(())
}

#[track]
async fn asks(pool: &SqlitePool) -> sqlx::Result<()> {
    pool.acquire().await.map(drop)
}

/// The state of a pool while one holds its only permit and others wait, and after that one has released it.
#[tokio::test]
async fn a_hoarder_until_it_lets_go() {
    let options = SqlitePoolOptions::new().max_connections(1);
    let options = options.acquire_timeout(Duration::from_mins(1));
    let pool = TestPool::new(options.connect("sqlite::memory:").await.unwrap(), ());
    let (taken, released) = (Notify::new(), Notify::new());
    let looks = async {
        taken.notified().await;
        let began = Instant::now();
        let waiting = async {
            let health = is_dry(&pool, Verdict::Hoarder).await;
            assert!(began.elapsed() >= Duration::from_secs(1), "{health:?}");
            assert!(health.age >= Duration::from_secs(1), "{health:?}");
            let words = "1 of 1 permit taken, 2 acquires wait: hoarder, ";
            assert!(health.reason.starts_with(words), "{health}");
            released.notify_one();
        };
        let (one, other, ()) = futures::join!(asks(&pool), asks(&pool), waiting);
        one.and(other).unwrap();
        let still = is(&pool, HealthStatus::Saturated);
        assert_eq!(still.waiting, 0, "{still:?}");
        let freed = Instant::now();
        let health = becomes(&pool, HealthStatus::Up).await;
        assert!(freed.elapsed() >= Duration::from_secs(4), "{health:?}");
        assert!(health.age < freed.elapsed(), "{health:?}");
    };
    futures::join!(hoards(&pool, &taken, &released), looks);
}

#[tokio::test]
async fn a_deadlock_before_the_wait_is_long() {
    let options = SqlitePoolOptions::new().max_connections(2);
    let options = options.acquire_timeout(Duration::from_secs(20));
    let pool = TestPool::new(options.connect("sqlite::memory:").await.unwrap(), ());
    let meet = Barrier::new(2);
    let both = async { futures::join!(takes_two(&pool, &meet), takes_two(&pool, &meet)) };
    tokio::select! {
        _ = both => unreachable!("each waits for the other"),
        health = is_dry(&pool, Verdict::Deadlock) => {
            assert!(health.age < Duration::from_secs(20), "{health:?}");
        }
    }
}

#[tokio::test]
async fn too_few_for_the_load() {
    let pool = pool_of(1).await;
    let (busy, done) = (Notify::new(), std::sync::atomic::AtomicBool::new(false));
    let works = async {
        let mut conn = pool.acquire().await.unwrap();
        busy.notify_one();
        while !done.load(std::sync::atomic::Ordering::Relaxed) {
            sqlx::query(leash_tests::HUNDRED)
                .fetch_all(&mut *conn)
                .await
                .unwrap();
        }
    };
    let waits = async {
        busy.notified().await;
        waits(&pool).await.unwrap_err();
        is_dry(&pool, Verdict::Capacity).await;
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    };
    futures::join!(works, waits);
}

#[tokio::test]
async fn permits_that_nobody_accounts_for() {
    let plain = plain_sqlx::sqlite::SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(SOON)
        .connect("sqlite::memory:")
        .await
        .unwrap();
    let pool = TestPool::new(SqlitePool::from(plain.clone()), ());
    let _held = plain.acquire().await.unwrap();
    waits(&pool).await.unwrap_err();
    is_dry(&pool, Verdict::Unaccounted).await;
}

#[tokio::test]
async fn a_pool_whose_lint_is_allowed() {
    #[track(allow(pool_timeout, reason = "health does not rest on it"))]
    async fn asks(pool: &SqlitePool) -> sqlx::Result<()> {
        pool.acquire().await.map(drop)
    }
    let pool = pool_of(1).await;
    let _held = pool.acquire().await.unwrap();
    asks(&pool).await.unwrap_err();
    is(&pool, HealthStatus::Saturated);
}

#[tokio::test]
async fn acquires_that_are_given_up_after_long() {
    let pool = pool_of(1).await;
    let _held = pool.acquire().await.unwrap();
    let long = SOON * 3 / 4;
    tokio::time::timeout(long, waits(&pool)).await.unwrap_err();
    is(&pool, HealthStatus::Saturated);
}

/// A check answers from a plain thread while the only thread of the runtime stands still.
#[tokio::test]
async fn while_the_runtime_stands_still() {
    let pool = pool_of(1).await;
    let (taken, released) = (Notify::new(), Notify::new());
    let blocks = async {
        taken.notified().await;
        let asks = async {
            tokio::select! {
                _ = asks(&pool) => {}
                () = released.notified() => {}
            }
        };
        let stands_still = async {
            pool.has_waiting(1).await;
            let (tells, told) = mpsc::channel();
            let name = pool.name().to_owned();
            let checks = thread::spawn(move || {
                loop {
                    let began = Instant::now();
                    let health = leash::health();
                    let took = began.elapsed();
                    let of = health.component(&name).unwrap().clone();
                    if of.verdict == Some(Verdict::RuntimeStall) {
                        tells.send((of, took)).unwrap();
                        return;
                    }
                    thread::sleep(Duration::from_millis(5));
                }
            });
            // Blocks the thread of this runtime.
            let (health, took) = told.recv_timeout(Duration::from_mins(1)).unwrap();
            checks.join().unwrap();
            assert_eq!(health.status, HealthStatus::Saturated, "{health}");
            assert!(took < SOON, "{took:?}");
            released.notify_waiters();
        };
        futures::join!(asks, stands_still);
        released.notify_one();
    };
    futures::join!(hoards(&pool, &taken, &released), blocks);
}

/// Checks during a storm take no permit, and keep nobody waiting for long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_checks_during_a_storm() {
    const TASKS: u32 = 200;
    const ROUNDS: u32 = 20;
    let options = SqlitePoolOptions::new().max_connections(4);
    let options = options.idle_timeout(None).max_lifetime(None);
    let pool = TestPool::new(options.connect("sqlite::memory:").await.unwrap(), ());
    let storm = || async {
        let tasks = (0..TASKS).map(|_| {
            let pool = SqlitePool::clone(&pool);
            let task = async move {
                for _ in 0..ROUNDS {
                    asks(&pool).await.unwrap();
                }
            };
            tokio::spawn(task.in_current_scope())
        });
        let began = Instant::now();
        for ended in join_all(tasks).await {
            ended.unwrap();
        }
        began.elapsed()
    };
    let before = pool.stats();
    let alone = storm().await;
    let checker = thread::spawn(|| {
        let began = Instant::now();
        for _ in 0..100 {
            let health = leash::health();
            assert!(!health.components.is_empty());
        }
        began.elapsed()
    });
    let beside = storm().await;
    let checks = checker.join().unwrap();
    let after = pool.stats();
    let granted = u64::from(2 * TASKS * ROUNDS);
    assert_eq!(after.acquired - before.acquired, granted);
    assert_eq!((after.timeouts, after.abandoned), (0, 0));
    // On two processors the checks have one of them; a check that queued for a permit would wait for the storm's end.
    assert!(
        beside < 5 * (alone + checks),
        "alone {alone:?}, beside {beside:?}, checks {checks:?}"
    );
}
