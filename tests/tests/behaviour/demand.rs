//! What a pool's users needed of it: the figures of a load whose tasks, permits and times are known.

use std::time::{Duration, Instant};

use futures::future::join_all;
use sqlx::leash::{self, DemandStats, HandleExt, PoolExt};
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{SqlitePool, track};
use tokio::sync::Barrier;

use crate::common::{TestPool, connect, pool_of, until};

/// A hold is at least this long where a test wants one.
const HOLD: Duration = Duration::from_millis(60);

#[track(allow(nested_acquire, reason = "the tests want it"))]
async fn takes(pool: &SqlitePool, permits: usize, meet: &Barrier) {
    let mut held = Vec::new();
    for _ in 0..permits {
        held.push(pool.acquire().await.unwrap());
        meet.wait().await;
    }
    tokio::time::sleep(HOLD).await;
    meet.wait().await;
}

/// Runs this number of tasks, each of which holds this number of permits while all others do.
async fn load(pool: &TestPool, tasks: usize, permits: usize) {
    let meet = Barrier::new(tasks);
    join_all((0..tasks).map(|_| takes(pool, permits, &meet))).await;
}

/// Asserts that two numbers are the same but for what rounding to nanoseconds takes.
#[track_caller]
fn same(one: f64, other: f64) {
    let apart = (one - other).abs();
    assert!(
        apart <= 1e-6 * one.max(other).max(1e-3),
        "{one} and {other}"
    );
}

#[expect(clippy::cast_precision_loss, reason = "a number of acquires")]
fn float(number: u64) -> f64 {
    number as f64
}

#[tokio::test]
async fn of_a_known_load() {
    let pool = pool_of(12).await;
    let made = Instant::now();
    load(&pool, 4, 3).await;
    let demand = pool.stats().demand;
    let over = made.elapsed();
    assert_eq!(
        (demand.tasks, demand.per_task, demand.most_held),
        (4, 3, 12)
    );
    assert_eq!(demand.deadlock_free_size(), 4 * 2 + 1);
    assert_eq!((demand.asked, demand.granted), (12, 12));
    // Every permit was held for this time at least, and at most since the load began.
    assert!(demand.held() >= 12 * HOLD, "{demand:?}");
    assert!(demand.held() <= 12 * over, "{demand:?}");
    assert!(demand.over >= HOLD, "{demand:?}");
    // Acquires a second × mean hold is what was held on average.
    same(
        demand.needed(),
        demand.held().as_secs_f64() / demand.over.as_secs_f64(),
    );
    same(
        demand.needed(),
        demand.asked_per_second() * demand.mean_hold().as_secs_f64(),
    );
    assert!(
        demand.mean_hold() >= HOLD && demand.mean_hold() <= over,
        "{demand:?}"
    );
    assert!(demand.needed() <= float(demand.most_held), "{demand:?}");
    same(demand.idle_share(), 1.0);
    same(demand.busy_share(), 0.0);
}

#[track]
async fn takes_briefly(pool: &SqlitePool, meet: &Barrier) {
    let held = pool.acquire().await.unwrap();
    meet.wait().await;
    drop(held);
}

/// No second permit shows these tasks, and they are gone at once: they are counted when more permits are held than before.
#[tokio::test]
async fn of_tasks_that_take_one_permit_each() {
    let pool = pool_of(17).await;
    // Opened before, and unseen: opening takes so long that a sample would count the tasks.
    join_all((0..17).map(|_| pool.as_sqlx().acquire())).await;
    pool.has_idle(17).await;
    let meet = Barrier::new(17);
    join_all((0..17).map(|_| takes_briefly(&pool, &meet))).await;
    let demand = pool.stats().demand;
    assert_eq!(
        (demand.tasks, demand.per_task, demand.most_held),
        (17, 1, 17)
    );
    assert_eq!(demand.deadlock_free_size(), 1);
}

#[track(allow(nested_acquire, reason = "the test wants it"))]
async fn holds_around(pool: &SqlitePool) {
    let _held = pool.acquire().await.unwrap();
    takes(pool, 1, &Barrier::new(1)).await;
}

#[tokio::test]
async fn of_a_caller_and_its_callee() {
    let pool = pool_of(2).await;
    holds_around(&pool).await;
    let demand = pool.stats().demand;
    assert_eq!((demand.tasks, demand.per_task), (1, 2), "they are one task");
    let pool = pool_of(2).await;
    let held = pool.acquire().await.unwrap();
    takes(&pool, 1, &Barrier::new(1)).await;
    drop(held);
    let demand = pool.stats().demand;
    assert_eq!(
        (demand.tasks, demand.most_held),
        (1, 2),
        "so is code without a scope"
    );
}

#[track]
async fn joins(pool: &SqlitePool) {
    let meet = Barrier::new(2);
    tokio::join!(takes(pool, 2, &meet), takes(pool, 2, &meet));
}

/// Each holds while it waits, so that both together need as many permits as two tasks do.
#[tokio::test]
async fn of_branches_of_a_join() {
    let pool = pool_of(4).await;
    joins(&pool).await;
    let demand = pool.stats().demand;
    assert_eq!((demand.tasks, demand.per_task), (2, 2));
    assert_eq!(demand.deadlock_free_size(), 3);
}

#[tokio::test]
async fn of_tasks_that_wait() {
    let pool = pool_of(2).await;
    let meet = Barrier::new(1);
    let all = join_all((0..10).map(|_| takes(&pool, 1, &meet)));
    let (_, demand) = tokio::join!(all, async {
        pool.has_handles(2).await;
        pool.stats().demand
    });
    assert_eq!((demand.tasks, demand.most_held), (10, 2));
    assert_eq!((demand.asked, demand.granted), (10, 2), "eight wait");
    let after = pool.stats().demand;
    assert_eq!((after.tasks, after.asked, after.granted), (10, 10, 10));
}

#[tokio::test]
async fn of_single_statements() {
    let pool = pool_of(2).await;
    for _ in 0..20 {
        sqlx::query("SELECT 1").execute(&*pool).await.unwrap();
    }
    let demand = pool.stats().demand;
    assert_eq!((demand.asked, demand.granted), (20, 20));
    assert_eq!(
        (demand.tasks, demand.per_task),
        (0, 1),
        "none holds and waits"
    );
    assert_eq!(demand.most_held, 1);
    assert!(!demand.busy.is_zero(), "{demand:?}");
    same(demand.busy_share() + demand.idle_share(), 1.0);
}

#[tokio::test]
async fn of_acquires_that_got_no_permit() {
    let options = SqlitePoolOptions::new().max_connections(1);
    let pool = connect(options.acquire_timeout(HOLD), "sqlite::memory:").await;
    let held = pool.acquire().await.unwrap();
    pool.acquire().await.unwrap_err();
    drop(held);
    let demand = pool.stats().demand;
    assert_eq!((demand.asked, demand.granted), (2, 1));
    assert!(demand.held() >= HOLD, "{demand:?}");
    same(demand.needed(), 2.0 * demand.held_on_average());
}

#[tokio::test]
async fn of_an_interval() {
    let pool = pool_of(3).await;
    load(&pool, 3, 1).await;
    let held = pool.acquire().await.unwrap();
    let demand_of = |snapshot: &leash::Snapshot| -> DemandStats {
        let mut pools = snapshot.pools.iter();
        pools.find(|it| it.name == pool.name()).unwrap().demand
    };
    let before = Instant::now();
    let earlier = leash::snapshot();
    let taken = Instant::now();
    tokio::time::sleep(HOLD).await;
    let end = Instant::now();
    let later = leash::snapshot();
    let (least, most) = (end - taken, before.elapsed());
    let demand = demand_of(&later.since(&earlier));
    assert!(least <= demand.over && demand.over <= most, "{demand:?}");
    // One permit was held all the time, so its time is that of the interval.
    assert!(
        least <= demand.held() && demand.held() <= most,
        "{demand:?}"
    );
    assert_eq!((demand.asked, demand.granted), (0, 0));
    assert!(
        demand.needed() >= least.as_secs_f64() / most.as_secs_f64(),
        "{demand:?}"
    );
    assert!(
        demand.needed() <= most.as_secs_f64() / least.as_secs_f64(),
        "{demand:?}"
    );
    assert_eq!(
        (demand.tasks, demand.most_held),
        (3, 3),
        "since the pool was made"
    );
    let none = demand_of(&earlier.since(&later));
    assert!(
        none.over.is_zero() && none.held().is_zero(),
        "the wrong order"
    );
    drop(held);
}

/// What is meant to be held idle is no idle time in hand.
#[tokio::test]
async fn of_what_is_meant_to_live_long() {
    let pool = pool_of(2).await;
    let kept = pool
        .acquire()
        .await
        .unwrap()
        .long_lived("a lock of the leader");
    tokio::time::sleep(HOLD).await;
    let demand = pool.stats().demand;
    assert!(
        demand.reserved >= HOLD && demand.idle.is_zero(),
        "{demand:?}"
    );
    assert_eq!(demand.mean_hold(), Duration::ZERO);
    same(
        demand.needed(),
        demand.reserved.as_secs_f64() / demand.over.as_secs_f64(),
    );
    drop(kept);
    let stats = pool.stats();
    assert!(stats.demand.reserved >= HOLD && stats.demand.idle.is_zero());
    assert_eq!((stats.holds.ended, stats.holds.idle), (0, Duration::ZERO));
    assert!(stats.holds.reserved >= HOLD, "{stats:?}");
}

/// The largest number is exact, however many threads take and release permits.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_most_held_at_once_is_exact() {
    const PERMITS: u64 = 8;
    let pool = pool_of(u32::try_from(PERMITS).unwrap()).await;
    let tasks = (0..4 * PERMITS).map(|_| {
        let pool = SqlitePool::clone(&pool);
        tokio::spawn(async move {
            for _ in 0..20 {
                drop(pool.acquire().await.unwrap());
            }
        })
    });
    join_all(tasks.collect::<Vec<_>>()).await;
    assert!(pool.stats().demand.most_held <= PERMITS);
    until("the connections are returned", || {
        pool.stats().returning == 0
    })
    .await;
    load(&pool, 8, 1).await;
    assert_eq!(pool.stats().demand.most_held, PERMITS);
    let table = leash::snapshot().to_string();
    let mut lines = table
        .lines()
        .skip_while(|line| !line.starts_with(&format!("pool {} ", pool.name())));
    let line = lines.nth(1).unwrap();
    assert!(line.starts_with("  needed on average "), "{line}");
    assert!(line.contains(", most held at once 8; "), "{line}");
}
