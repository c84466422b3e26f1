//! Why connections were closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use leash_tests::{TestPool, until};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Error, Executor as _};

use super::{causes, closed, connections, has, options, pool};

const SOON: Duration = Duration::from_millis(200);

/// On a file, which outlives the connections.
fn on_file(options: SqlitePoolOptions) -> TestPool {
    let folder = tempfile::tempdir().unwrap();
    let file = SqliteConnectOptions::new()
        .filename(folder.path().join("exams"))
        .create_if_missing(true);
    TestPool::new(options.connect_lazy_with(file), folder)
}

#[tokio::test]
async fn the_program() {
    let pool = pool(options(4)).await;
    pool.acquire().await.unwrap().close().await.unwrap();
    closed(&pool, &[("program", 1)]).await;
    pool.acquire().await.unwrap().close_on_drop();
    closed(&pool, &[("program", 2)]).await;
    drop(pool.acquire().await.unwrap().detach());
    closed(&pool, &[("program", 3)]).await;
    pool.execute("SELECT 1").await.unwrap();
    pool.close().await;
    closed(&pool, &[("program", 4)]).await;
    has(&pool, 4, 4).await;
}

#[tokio::test]
async fn a_pool_that_closes_while_its_connections_are_used() {
    let pool = pool(options(3)).await;
    let held = [pool.acquire().await.unwrap(), pool.acquire().await.unwrap()];
    let closing = pool.close();
    drop(held);
    closing.await;
    closed(&pool, &[("program", 2)]).await;
}

#[tokio::test]
async fn a_new_connection_that_a_hook_refuses() {
    let refuses = Arc::new(AtomicBool::new(true));
    let once = Arc::clone(&refuses);
    let pool = on_file(options(2).after_connect(move |_, _| {
        let is_first = once.swap(false, SeqCst);
        Box::pin(async move {
            if is_first {
                return Err(Error::Protocol("not today".to_owned()));
            }
            Ok(())
        })
    }));
    pool.execute("SELECT 1").await.unwrap();
    has(&pool, 2, 1).await;
    closed(&pool, &[("hook", 1)]).await;
}

#[tokio::test]
async fn an_idle_connection_that_a_hook_refuses() {
    let pool = on_file(options(2).before_acquire(|_, _| Box::pin(async { Ok(false) })));
    pool.execute("SELECT 1").await.unwrap();
    pool.has_idle(1).await;
    pool.execute("SELECT 1").await.unwrap();
    has(&pool, 2, 1).await;
    closed(&pool, &[("hook", 1)]).await;
}

#[tokio::test]
async fn a_returned_connection_that_a_hook_refuses() {
    let pool =
        on_file(options(2).after_release(|_, _| Box::pin(async { Err(Error::WorkerCrashed) })));
    pool.execute("SELECT 1").await.unwrap();
    closed(&pool, &[("hook", 1)]).await;
    pool.execute("SELECT 1").await.unwrap();
    closed(&pool, &[("hook", 2)]).await;
    has(&pool, 2, 2).await;
}

#[tokio::test]
async fn a_hook_that_panics() {
    let pool = on_file(options(1).after_connect(|_, _| panic!("in the hook")));
    let asked = pool.acquire();
    let panicked = tokio::spawn(asked).await.unwrap_err();
    assert!(panicked.is_panic());
    closed(&pool, &[("hook", 1)]).await;
}

/// A hook that does not end.
fn endless(options: SqlitePoolOptions) -> SqlitePoolOptions {
    options.after_connect(|_, _| Box::pin(futures::future::pending()))
}

#[tokio::test]
async fn an_acquire_whose_time_is_over_while_a_hook_runs() {
    let pool = on_file(endless(options(1).acquire_timeout(SOON)));
    assert!(matches!(pool.acquire().await, Err(Error::PoolTimedOut)));
    closed(&pool, &[("acquire_over", 1)]).await;
    assert_eq!(connections(&pool).cut, 0, "it was opened");
}

#[tokio::test]
async fn an_acquire_that_is_dropped_while_a_hook_runs() {
    let pool = on_file(endless(options(1)));
    tokio::select! {
        _ = pool.acquire() => unreachable!("the hook does not end"),
        () = until("it is opened", || connections(&pool).opened == 1) => {}
    }
    closed(&pool, &[("acquire_over", 1)]).await;
}

#[tokio::test]
async fn idle_connections_of_a_pool_that_nobody_uses() {
    let pool = on_file(options(5).idle_timeout(SOON));
    let mut held = Vec::new();
    for _ in 0..5 {
        held.push(pool.acquire().await.unwrap());
    }
    drop(held);
    pool.has_idle(5).await;
    // The pool is seen at rest.
    until("all are returned", || pool.stats().returning == 0).await;
    assert_eq!(causes(connections(&pool).closed_by), []);
    closed(&pool, &[("idle_timeout", 5)]).await;
}

#[tokio::test]
async fn old_connections_of_a_pool_that_nobody_uses() {
    let pool = on_file(options(2).max_lifetime(SOON));
    let held = [pool.acquire().await.unwrap(), pool.acquire().await.unwrap()];
    drop(held);
    pool.has_idle(2).await;
    closed(&pool, &[("max_lifetime", 2)]).await;
}

#[tokio::test]
async fn old_connections_of_a_pool_in_use() {
    let pool = on_file(options(1).max_lifetime(SOON));
    while connections(&pool).closed < 3 {
        pool.execute("SELECT 1").await.unwrap();
    }
    let by = connections(&pool).closed_by;
    assert_eq!(causes(by), [("max_lifetime", by.total())]);
}

/// A return that is over its time would be closed; one in time is none.
#[tokio::test]
async fn what_is_given_back_is_not_closed() {
    let pool = pool(options(2)).await;
    for _ in 0..20 {
        let mut tx = pool.begin().await.unwrap();
        tx.execute("SELECT 1").await.unwrap();
        drop(tx);
        drop(pool.acquire());
        drop(pool.begin());
        tokio::task::yield_now().await;
    }
    pool.has_idle(1).await;
    assert_eq!(causes(connections(&pool).closed_by), []);
}
