//! The connections that a pool has opened and closed.

use leash_tests::{TestPool, until};
use sqlx::leash::ConnectionStats;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{Connection as _, Sqlite, SqlitePool};

/// Options without a limit on a connection's life: the in-memory database stays.
fn options(max_connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(max_connections)
        .idle_timeout(None)
        .max_lifetime(None)
}

async fn pool(options: SqlitePoolOptions) -> TestPool {
    TestPool::new(options.connect("sqlite::memory:").await.unwrap(), ())
}

fn connections(pool: &TestPool<Sqlite>) -> ConnectionStats {
    pool.stats().connections.expect("they are counted")
}

/// Waits until the pool has opened and closed that many.
async fn has(pool: &TestPool<Sqlite>, opened: u64, closed: u64) {
    until(format!("{opened} opened, {closed} closed"), || {
        let now = connections(pool);
        assert_eq!(now.opened, now.open + now.closed);
        (now.opened, now.closed) == (opened, closed)
    })
    .await;
}

#[tokio::test]
async fn opens_and_closes_are_counted() {
    let pool = pool(options(3)).await;
    has(&pool, 1, 0).await;
    let (first, second) = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    has(&pool, 2, 0).await;
    first.close().await.unwrap();
    has(&pool, 2, 1).await;
    second.detach().close().await.unwrap();
    has(&pool, 2, 2).await;
    drop(pool.acquire().await.unwrap());
    has(&pool, 3, 2).await;
    pool.close().await;
    has(&pool, 3, 3).await;
}

#[tokio::test]
async fn each_pool_counts_its_own() {
    let first = pool(options(1)).await;
    let again = pool(first.options().clone()).await;
    let clone = TestPool::new(SqlitePool::clone(&again), ());
    has(&first, 1, 0).await;
    has(&clone, 1, 0).await;
}

#[tokio::test]
async fn pools_of_plain_sqlx_are_not_counted() {
    let plain = plain_sqlx::sqlite::SqlitePoolOptions::new();
    let made = plain.clone().connect("sqlite::memory:").await.unwrap();
    let by_options = pool(plain.into()).await;
    for pool in [TestPool::new(SqlitePool::from(made), ()), by_options] {
        drop(pool.acquire().await.unwrap());
        assert_eq!(pool.stats().connections, None);
    }
}
