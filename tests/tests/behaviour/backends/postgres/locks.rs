//! An advisory lock holds the connection that it was acquired on, and the tracker knows which function acquired it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use leash_tests::assert_whole;
use sqlx::leash::Activity;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgAdvisoryLock, PgAdvisoryLockGuard};
use sqlx::{Executor, PgPool, Postgres, track};

use super::cancel::{Operation, Pool, at_every_poll};
use super::pool_of;
use crate::common::leaks;

type Guard = PgAdvisoryLockGuard<PoolConnection<Postgres>>;

#[tokio::test]
async fn a_handle_while_it_is_held() {
    let Some(pool) = pool_of(2).await else { return };
    let lock = PgAdvisoryLock::new("exams");
    let guard: Guard = lock.acquire(pool.acquire().await.unwrap()).await.unwrap();
    assert_eq!(pool.handles()[0].activity, Activity::Lent);
    let refused = lock.try_acquire(pool.acquire().await.unwrap()).await;
    assert!(refused.unwrap().is_right(), "the lock is held");
    let mut connection = guard.release_now().await.unwrap();
    connection.execute("SELECT 1").await.unwrap();
    let handle = pool.handles().remove(0);
    assert_eq!((handle.activity, handle.statements), (Activity::Idle, 1));
    drop(connection);
    pool.assert_empty();

    let tx = pool.begin().await.unwrap();
    let mut guard = lock.acquire(tx).await.unwrap();
    guard.as_mut().execute("SELECT 1").await.unwrap();
    assert_eq!(pool.handles()[0].transaction_depth, 1);
    guard.release_now().await.unwrap().commit().await.unwrap();
    assert_whole(&pool, "a lock").await;
}

#[tokio::test]
async fn found_where_it_is_kept() {
    #[track]
    async fn keeps(pool: &PgPool, kept: &Mutex<Option<Guard>>) -> sqlx::Result<()> {
        let connection = pool.acquire().await?; // @lock
        let guard = PgAdvisoryLock::new("kept").acquire(connection).await?;
        *kept.lock().unwrap() = Some(guard);
        Ok(())
    }
    let Some(pool) = pool_of(1).await else { return };
    let kept = Mutex::default();
    let name = "backends::postgres::locks::found_where_it_is_kept::keeps";
    let (result, _) = leaks("lock", "acquire", name, keeps(&pool, &kept)).await;
    result.unwrap();
    kept.lock().unwrap().take();
    assert_whole(&pool, "a kept lock").await;
}

/// A new lock for each try: with sqlx, too, a cancelled one may be held until its session ends.
fn fresh() -> PgAdvisoryLock {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    PgAdvisoryLock::new(NUMBER.fetch_add(1, Relaxed).to_string())
}

given_up!(given_up:
    "acquire" => |pool| {
        let lock = fresh();
        lock.acquire(pool.acquire().await?).await?.release_now().await?
    }
    "in a transaction" => |pool| {
        let lock = fresh();
        let guard = lock.acquire(pool.begin().await?).await?;
        guard.release_now().await?.commit().await?;
    }
);
