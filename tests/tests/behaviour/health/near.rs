//! What is no reason to call a pool anything but up.

use futures::FutureExt;
use futures::future::join_all;
use leash_tests::support::postgres;
use sqlx::leash::HealthStatus;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Error};

use super::*;

#[tokio::test]
async fn all_permits_are_taken_and_nobody_waits() {
    let pool = pool_of(2).await;
    let _both = (pool.acquire().await, pool.acquire().await);
    tokio::time::sleep(SOON).await;
    let health = is(&pool, HealthStatus::Up);
    assert_eq!(health.reason, "2 of 2 permits taken, no acquire waits");
}

#[tokio::test]
async fn a_short_burst() {
    let pool = pool_of(1).await;
    let held = pool.acquire().await.unwrap();
    let mut waiting = Box::pin(join_all((0..50).map(|_| waits(&pool))));
    assert!(waiting.as_mut().now_or_never().is_none());
    let health = is(&pool, HealthStatus::Up);
    assert_eq!(health.reason, "1 of 1 permit taken, 50 acquires wait");
    drop(held);
    for served in waiting.await {
        served.unwrap();
    }
    is(&pool, HealthStatus::Up);
}

#[tokio::test]
async fn an_acquire_that_is_given_up_soon() {
    let pool = pool_of(1).await;
    let _held = pool.acquire().await.unwrap();
    let mut waiting = Box::pin(waits(&pool));
    assert!(waiting.as_mut().now_or_never().is_none());
    drop(waiting);
    is(&pool, HealthStatus::Up);
}

#[tokio::test]
async fn a_statement_that_is_wrong() {
    let pool = pool_of(1).await;
    let wrong = sqlx::query("SELECT nothing FROM nowhere");
    wrong.execute(&*pool).await.unwrap_err();
    is(&pool, HealthStatus::Up);
}

#[tokio::test]
async fn one_connect_that_fails_and_one_that_does_not() {
    let Some(db) = postgres().await else {
        return;
    };
    let options = PgPoolOptions::new().connect_lazy(db.url()).unwrap();
    let right = options.connect_options();
    let wrong = (*right).clone().database("there is no such database");
    let pool = TestPool::new(options, ());
    pool.set_connect_options(wrong);
    let error = waits(&pool).await.unwrap_err();
    assert!(matches!(error, Error::Database(_)), "{error:?}");
    let health = is(&pool, HealthStatus::Unknown);
    let words = "the server refuses a connect with the code 3D000";
    assert!(health.reason.ends_with(words), "{health}");
    assert!(!health.reason.contains("no such database"), "{health}");
    pool.set_connect_options((*right).clone());
    waits(&pool).await.unwrap();
    let health = is(&pool, HealthStatus::Up);
    assert!(health.reason.ends_with("no acquire waits"), "{health}");
}

#[tokio::test]
async fn a_long_statement_on_every_permit() {
    let Some(db) = postgres().await else {
        return;
    };
    let options = PgPoolOptions::new()
        .max_connections(2)
        .acquire_timeout(SOON);
    let pool = TestPool::new(options.connect(db.url()).await.unwrap(), ());
    let sleep = format!("SELECT pg_sleep({})", 3.0 * SOON.as_secs_f64());
    let long = || sqlx::query(AssertSqlSafe(sleep.clone())).execute(&*pool);
    let looks = async {
        pool.has_handles(2).await;
        tokio::time::sleep(SOON).await;
        is(&pool, HealthStatus::Up)
    };
    let (one, other, health) = futures::join!(long(), long(), looks);
    one.and(other).unwrap();
    assert_eq!(health.used, 2);
}
