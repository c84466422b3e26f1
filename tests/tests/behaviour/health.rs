//! `leash::health`: whether each pool serves those who ask, from what their acquires have shown.

use std::time::{Duration, Instant};

use leash_tests::{TestPool, in_memory, until};
use sqlx::leash::{self, Backend, HealthStatus, PoolHealth, Verdict};
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{Pool, Sqlite, SqlitePool};

mod dry;
mod far;
mod near;

/// The `acquire_timeout` of most pools here. Half of it is a long wait.
const SOON: Duration = Duration::from_millis(400);

async fn pool_of(max_connections: u32) -> TestPool {
    let options = SqlitePoolOptions::new().max_connections(max_connections);
    let options = options.acquire_timeout(SOON);
    let options = options.idle_timeout(None).max_lifetime(None);
    TestPool::new(options.connect("sqlite::memory:").await.unwrap(), ())
}

fn health_of<DB: Backend>(pool: &TestPool<DB>) -> PoolHealth {
    let health = leash::health();
    let of = health.component(pool.name());
    of.unwrap_or_else(|| panic!("{} is not in {health}", pool.name()))
        .clone()
}

#[track_caller]
fn is<DB: Backend>(pool: &TestPool<DB>, status: HealthStatus) -> PoolHealth {
    let health = health_of(pool);
    assert_eq!(health.status, status, "{health}");
    health
}

/// Waits until the pool is in that state.
async fn becomes<DB: Backend>(pool: &TestPool<DB>, status: HealthStatus) -> PoolHealth {
    until(format!("{status}"), || health_of(pool).status == status).await;
    health_of(pool)
}

async fn is_dry<DB: Backend>(pool: &TestPool<DB>, verdict: Verdict) -> PoolHealth {
    let health = becomes(pool, HealthStatus::Saturated).await;
    assert_eq!(health.verdict, Some(verdict), "{health}");
    let certainty = health.certainty.expect("a verdict is more or less sure");
    assert!(!format!("{certainty:?}").is_empty());
    assert!(health.reason.contains(verdict.name()), "{health}");
    health
}

async fn waits<DB: Backend>(pool: &Pool<DB>) -> sqlx::Result<()> {
    pool.acquire().await.map(drop)
}

#[tokio::test]
async fn a_pool_that_was_never_used() {
    let lazy = SqlitePoolOptions::new().connect_lazy("sqlite::memory:");
    let pool = TestPool::new(lazy.unwrap(), ());
    let health = is(&pool, HealthStatus::Unknown);
    assert_eq!(health.reason, "it was never used");
    assert_eq!((health.used, health.waiting), (0, 0));
    sqlx::query("SELECT 1").execute(&*pool).await.unwrap();
    is(&pool, HealthStatus::Up);
}

#[tokio::test]
async fn a_pool_that_is_idle() {
    // It has connected, and was not used yet.
    let pool = pool_of(3).await;
    is(&pool, HealthStatus::Up);
    let held = pool.acquire().await.unwrap();
    let health = is(&pool, HealthStatus::Up);
    assert_eq!(health.reason, "1 of 3 permits taken, no acquire waits");
    assert_eq!((health.used, health.max_connections), (1, 3));
    drop(held);
}

#[tokio::test]
async fn a_pool_that_plain_sqlx_has() {
    let pool = pool_of(2).await;
    sqlx::query("SELECT 1").execute(&*pool).await.unwrap();
    let plain = leash::PoolExt::as_sqlx(&*pool);
    let health = is(&pool, HealthStatus::Unknown);
    assert!(health.reason.starts_with("plain sqlx has it"), "{health}");
    let (_one, _other) = (plain.acquire().await, plain.acquire().await);
    waits(&pool).await.unwrap_err();
    is(&pool, HealthStatus::Saturated);
}

#[tokio::test]
async fn a_pool_that_is_closed_and_one_that_is_gone() {
    let pool = pool_of(2).await;
    let held = pool.acquire().await.unwrap();
    let began = Instant::now();
    let closes = tokio::spawn({
        let pool = SqlitePool::clone(&pool);
        async move { pool.close().await }
    });
    let health = becomes(&pool, HealthStatus::Down).await;
    assert_eq!(health.reason, "it is closed");
    assert_eq!(health.used, 1);
    drop(held);
    closes.await.unwrap();
    let health = is(&pool, HealthStatus::Down);
    assert!(health.age <= began.elapsed(), "{health:?}");
    waits(&pool).await.unwrap_err();
    assert_eq!(is(&pool, HealthStatus::Down).reason, "it is closed");

    let name = pool.name().to_owned();
    drop(pool);
    until("it is no component", || {
        leash::health().component(&name).is_none()
    })
    .await;
}

#[tokio::test]
async fn two_pools_of_one_name_are_two_components() {
    let named = |pool| TestPool::<Sqlite>::named("twins", pool, ());
    let (one, other) = (named(in_memory().await), named(in_memory().await));
    other.close().await;
    let health = leash::health();
    let twins: Vec<_> = health
        .components
        .iter()
        .filter(|it| it.pool.starts_with("twins"))
        .map(|it| (&*it.pool, it.status))
        .collect();
    let expected = [
        ("twins", HealthStatus::Up),
        ("twins #2", HealthStatus::Down),
    ];
    assert_eq!(twins, expected);
    drop(one);
}
