//! Memory depends on the live handles and pools, not on those that have ended.

use std::future::Future;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use leash_tests::in_child;
use sqlx::leash::{self, PoolExt};
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{Executor, SqlitePool, track};

use crate::common::{TestPool, pool_of, until};

use super::flat;

/// In its own process: the tracker's size is a number of the process.
#[test]
fn many_handles_one_after_the_other() {
    #[track]
    async fn round(pool: &TestPool) {
        let mut connection = pool.acquire().await.unwrap();
        connection.execute("SELECT 1").await.unwrap();
        drop(connection);
        let (one, two) = tokio::join!(pool.begin(), pool.acquire());
        drop((one.unwrap(), two.unwrap()));
    }
    let _ = in_child(
        "memory::handles::many_handles_one_after_the_other",
        &[],
        |runtime| {
            runtime.block_on(async {
                let pool = pool_of(4).await;
                for _ in 0..10 {
                    round(&pool).await;
                }
                // The tracker's size after sqlx has returned every dropped connection.
                let settled = async || {
                    let tracker = || leash::snapshot().tracker;
                    until("the dropped handles are returned", || tracker().live == 0).await;
                    tracker()
                };
                let early = settled().await;
                assert_eq!(early.scopes, 0);
                for _ in 0..7_000 {
                    round(&pool).await;
                }
                assert_eq!(settled().await, early, "as large as after ten rounds");
                assert_eq!(pool.stats().acquired, 3 * 7_010);
                pool.assert_serves_all().await;
                settled().await;
                // A held handle is counted.
                let held = pool.acquire().await.unwrap();
                let more = leash::snapshot().tracker;
                assert_eq!(more.live, 1);
                assert!(more.bytes > early.bytes);
                drop(held);
            });
        },
    );
}

/// A dropped pool leaves nothing behind.
#[test]
fn many_pools_one_after_the_other() {
    let _ = in_child(
        "memory::handles::many_pools_one_after_the_other",
        &[],
        |runtime| {
            runtime.block_on(async {
                let mut sizes = Vec::new();
                for _ in 0..30 {
                    let pool = pool_of(1).await;
                    pool.acquire()
                        .await
                        .unwrap()
                        .execute("SELECT 1")
                        .await
                        .unwrap();
                    pool.close().await;
                    drop(pool);
                    sizes.push(leash::snapshot().tracker);
                }
                assert_eq!((sizes[1].pools, sizes[1].live), (0, 0));
                assert_eq!(sizes[29], sizes[1]);
            });
        },
    );
}

/// Polls a future once, and drops it.
fn abandon<F: Future>(future: F) {
    let mut future = Box::pin(future);
    let polled = future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Pending), "the future must wait");
}

/// A pool whose connections are closed after a few milliseconds, however they are used.
async fn short_lived() -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(1)
        .max_lifetime(Duration::from_millis(5))
        .connect("sqlite::memory:")
        .await
        .unwrap()
}

async fn acquire_and_release(pool: &SqlitePool, number: u32) {
    #[track]
    async fn held(pool: &SqlitePool) {
        drop(pool.acquire().await.unwrap());
    }
    if number.is_multiple_of(2) {
        held(pool).await;
    } else {
        drop(pool.acquire().await.unwrap());
    }
    if number % 1_000 == 999 {
        assert_replaced(number / 1_000);
    }
}

/// The opens of a pool of one connection are counted, after so many thousand acquires: each thousand takes longer than a
/// connection lives.
fn assert_replaced(thousands: u32) {
    let pools = leash::snapshot().pools;
    let connections = pools[0].connections.as_ref().expect("they are counted");
    assert!(
        connections.opened > u64::from(thousands) && connections.open <= 1,
        "{connections:?}"
    );
}

#[test]
fn connections_that_live_milliseconds() {
    flat(
        "connections_that_live_milliseconds",
        2_000,
        short_lived,
        async |pool, number| acquire_and_release(pool, number).await,
    );
}

#[test]
#[ignore = "takes minutes"]
fn a_million_on_connections_that_live_milliseconds() {
    flat(
        "a_million_on_connections_that_live_milliseconds",
        100_000,
        short_lived,
        async |pool, number| acquire_and_release(pool, number).await,
    );
}

#[test]
fn connections_closed_on_drop() {
    flat(
        "connections_closed_on_drop",
        50,
        async || pool_of(2).await,
        async |pool, _| {
            let mut connection = pool.acquire().await.unwrap();
            connection.close_on_drop();
        },
    );
}

#[test]
fn a_hundred_thousand_abandoned_acquires() {
    #[track]
    async fn waits(pool: &SqlitePool) {
        pool.acquire().await.unwrap();
    }
    flat(
        "a_hundred_thousand_abandoned_acquires",
        10_000,
        async || pool_of(1).await,
        async |pool, number| {
            let held = pool.acquire().await.unwrap();
            match number % 3 {
                0 => abandon(waits(pool)),
                1 => abandon(pool.acquire()),
                _ => abandon(pool.begin()),
            }
            drop(held);
        },
    );
}

#[test]
fn a_hundred_thousand_pools() {
    flat(
        "a_hundred_thousand_pools",
        10_000,
        async || (),
        async |(), number| {
            let options = SqlitePoolOptions::new()
                .idle_timeout(None)
                .max_lifetime(None);
            let pool = options.connect_lazy("sqlite::memory:").unwrap();
            let pool = pool.named(format!("pool {number}"));
            if number % 100 == 0 {
                leash::report();
            }
            drop(pool);
        },
    );
}
