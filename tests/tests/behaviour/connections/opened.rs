//! How many were opened, and for whom.

use std::time::Duration;

use leash_tests::{TestPool, until};
use sqlx::leash::{self, AcquireStats};
use sqlx::pool::PoolConnection;
use sqlx::{Connection as _, Executor as _, Sqlite, SqlitePool, track};

use super::{connections, has, options, pool};

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
async fn a_lazy_pool_has_opened_none() {
    let lazy = options(2).connect_lazy("sqlite::memory:").unwrap();
    let pool = TestPool::new(lazy, ());
    has(&pool, 0, 0).await;
    pool.execute("SELECT 1").await.unwrap();
    has(&pool, 1, 0).await;
}

#[tokio::test]
async fn a_leaked_connection_is_open() {
    let pool = pool(options(2)).await;
    let leaked = pool.acquire().await.unwrap().leak();
    pool.execute("SELECT 1").await.unwrap();
    has(&pool, 2, 0).await;
    drop(leaked);
    has(&pool, 2, 0).await;
}

#[tokio::test]
async fn pools_of_plain_sqlx_are_not_counted() {
    let plain = plain_sqlx::sqlite::SqlitePoolOptions::new();
    let made = plain.clone().connect("sqlite::memory:").await.unwrap();
    let by_options = pool(plain.into()).await;
    for pool in [TestPool::new(SqlitePool::from(made), ()), by_options] {
        drop(pool.acquire().await.unwrap());
        assert_eq!(pool.stats().connections, None);
        let table = leash::snapshot().to_string();
        let mut lines = table.lines();
        let line = lines.find(|line| line.contains(&format!("pool {} holds", pool.name())));
        assert!(line.unwrap().ends_with(", connections not counted"));
    }
}

#[tokio::test]
async fn plain_options_are_counted_once_their_hook_is_known() {
    let plain = plain_sqlx::sqlite::SqlitePoolOptions::new();
    let options = sqlx::sqlite::SqlitePoolOptions::from(plain);
    let hooked = options.after_connect(|_, _| Box::pin(async { Ok(()) }));
    has(&pool(hooked).await, 1, 0).await;
}

#[track]
async fn opens(pool: &SqlitePool) -> sqlx::Result<PoolConnection<Sqlite>> {
    pool.acquire().await
}

#[track]
async fn reuses(pool: &SqlitePool) -> sqlx::Result<()> {
    pool.acquire().await.map(drop)
}

/// The row of the place in a function of this file.
fn acquires(function: &str) -> AcquireStats {
    let rows = leash::snapshot().acquires;
    let function = format!("{}::{function}", module_path!());
    let is_it = |row: &AcquireStats| row.site.function.as_deref() == Some(&*function);
    rows.into_iter().find(is_it).unwrap()
}

#[tokio::test]
async fn an_acquire_has_opened_what_was_opened_for_it() {
    let pool = pool(options(3)).await;
    reuses(&pool).await.unwrap();
    pool.has_idle(1).await;
    let (first, second, third) = futures::join!(opens(&pool), opens(&pool), opens(&pool));
    assert!(first.is_ok() && second.is_ok() && third.is_ok());
    assert_eq!(acquires("opens").opened, 2, "one found an idle one");
    assert_eq!(acquires("reuses").opened, 0);
    let stats = connections(&pool);
    assert_eq!(stats.wait_with_connect.count, 2);
    assert_eq!(stats.wait_without_connect.count, 2);
    assert_eq!(pool.stats().wait.count, 4);
}

#[tokio::test]
async fn what_a_pool_opens_for_itself_is_nobody_s() {
    let lazy = options(3).min_connections(3);
    let pool = TestPool::new(lazy.connect_lazy("sqlite::memory:").unwrap(), ());
    until("the minimum is open", || connections(&pool).opened == 3).await;
    let rows = leash::snapshot().acquires;
    let here = rows.iter().filter(|row| row.site.file == file!());
    let by_name = here.filter(|row| row.site.line == line!() - 4);
    assert_eq!(by_name.count(), 0);
}

#[tokio::test]
async fn the_first_connect_counts_where_the_pool_is_made() {
    let line = line!() + 1;
    let made = options(3).min_connections(2).connect("sqlite::memory:");
    let pool = TestPool::new(made.await.unwrap(), ());
    has(&pool, 2, 0).await;
    let rows = leash::snapshot().acquires;
    let mut here = rows.iter().filter(|row| row.site.file == file!());
    let row = here.find(|row| row.site.line == line).unwrap();
    assert!((1..=2).contains(&row.opened), "{row:?}");
    assert_eq!(row.acquired, 0);
}

#[tokio::test]
async fn a_connect_takes_as_long_as_its_acquire_waits() {
    const HOOK: Duration = Duration::from_millis(40);
    let hooked = options(1).after_connect(|_, _| {
        Box::pin(async {
            tokio::time::sleep(HOOK).await;
            Ok(())
        })
    });
    let pool = TestPool::new(hooked.connect_lazy("sqlite::memory:").unwrap(), ());
    let asks = async || drop(pool.acquire().await.unwrap());
    futures::join!(asks(), asks());
    let stats = connections(&pool);
    assert_eq!(stats.connect.count, 1, "the other acquire queued");
    assert!(stats.wait_with_connect.min >= HOOK);
    assert!(
        stats.connect.max + HOOK <= stats.wait_with_connect.max,
        "without the hook"
    );
    assert_eq!(stats.wait_without_connect.count, 1);
}

#[tokio::test]
async fn waits_of_zero_have_percentiles_in_an_interval() {
    let pool = pool(options(1).test_before_acquire(false)).await;
    let earlier = leash::snapshot();
    drop(pool.acquire().await.unwrap());
    let interval = leash::snapshot().since(&earlier);
    let is_it = |row: &&leash::PoolStats| row.name == pool.name();
    let row = interval.pools.iter().find(is_it).unwrap();
    assert_eq!((row.wait.count, row.wait.p99()), (1, Duration::ZERO));
}

#[tokio::test]
async fn an_interval_has_its_own() {
    let pool = pool(options(2)).await;
    let earlier = leash::snapshot();
    let connection = pool.acquire().await.unwrap();
    pool.acquire().await.unwrap().close().await.unwrap();
    drop(connection);
    let interval = leash::snapshot().since(&earlier);
    let is_it = |row: &&leash::PoolStats| row.name == pool.name();
    let row = interval.pools.iter().find(is_it).unwrap();
    let delta = row.connections.as_ref().unwrap();
    assert_eq!((delta.opened, delta.closed, delta.open), (1, 1, 1));
    assert_eq!(
        (delta.closed_by.program, delta.wait_with_connect.count),
        (1, 1)
    );
    assert_eq!(delta.wait_without_connect.count, 1);
}
