//! The value has moved to another task, is shared, or is gone: nothing is said of the functions that follow.

use std::sync::Arc;

use sqlx::SqlitePool;
use tokio::sync::oneshot;

use crate::common::{TestPool, assert_none, bare_pool_of};

use super::{Result, Service, Work, count, extract, found, with_the_connection};

async fn is_silent<T>(future: impl Future<Output = Result<T>>) {
    let (ended, found) = found(future).await;
    ended.map(drop).unwrap();
    assert_none(&found);
}

#[tokio::test]
async fn moved_to_a_spawned_task() {
    let pool = bare_pool_of(3).await;
    is_silent(async {
        let tenant = extract(&pool).await?;
        let task = tokio::spawn(with_the_connection(tenant));
        count(&pool).await?;
        task.await.unwrap()
    })
    .await;
}

#[tokio::test]
async fn sent_through_a_channel() {
    let pool = bare_pool_of(3).await;
    let (sender, receiver) = oneshot::channel();
    let (used, is_used) = oneshot::channel();
    let task = tokio::spawn(async move {
        let mut work: Work = receiver.await.unwrap();
        work.insert().await?;
        let _ = used.send(());
        work.commit().await
    });
    is_silent(async {
        let mut work = Work::begin(&pool).await?;
        work.insert().await?;
        assert!(sender.send(work).is_ok());
        is_used.await.unwrap();
        count(&pool).await
    })
    .await;
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn shared_by_a_service() {
    let pool = bare_pool_of(3).await;
    is_silent(async {
        let service = Service::connect(&pool).await?;
        service.listen().await?;
        service.count().await?;
        count(&pool).await?;
        let other = Arc::clone(&service);
        tokio::spawn(async move { other.count().await })
            .await
            .unwrap()
    })
    .await;
}

#[tokio::test]
async fn dropped_in_between() {
    let pool = bare_pool_of(3).await;
    is_silent(async {
        drop(extract(&pool).await?);
        count(&pool).await?;
        let mut work = Work::begin(&pool).await?;
        work.insert().await?;
        drop(work);
        count(&pool).await
    })
    .await;
}

#[tokio::test]
async fn of_another_pool() {
    let (pool, other) = (bare_pool_of(2).await, bare_pool_of(2).await);
    is_silent(async {
        let mut work = Work::begin(&pool).await?;
        work.insert().await?;
        count(&other).await?;
        work.commit().await
    })
    .await;
}

#[tokio::test]
async fn in_another_branch() {
    let pool = bare_pool_of(3).await;
    let request = async {
        let tenant = extract(&pool).await?;
        tokio::task::yield_now().await;
        with_the_connection(tenant).await
    };
    is_silent(async {
        let (one, other) = tokio::join!(request, count(&pool));
        one.and(other)
    })
    .await;
}

/// The connection is kept for the life of the server's task. Requests are other tasks.
#[tokio::test]
async fn kept_by_the_task_of_a_server() {
    let pool: TestPool = bare_pool_of(3).await;
    is_silent(async {
        let mut work = Work::begin(&pool).await?;
        work.insert().await?;
        for _ in 0..3 {
            let pool = SqlitePool::clone(&pool);
            tokio::spawn(async move { count(&pool).await })
                .await
                .unwrap()?;
        }
        work.commit().await
    })
    .await;
}

/// A task ends, and later ones may have its address. The handle that it took and sent away is not theirs.
#[tokio::test]
async fn a_task_that_is_over_has_nothing() {
    let pool = bare_pool_of(3).await;
    let (sender, receiver) = oneshot::channel();
    let first = SqlitePool::clone(&pool);
    tokio::spawn(async move {
        let mut work = Work::begin(&first).await.unwrap();
        work.insert().await.unwrap();
        assert!(sender.send(work).is_ok());
    })
    .await
    .unwrap();
    let work = receiver.await.unwrap();
    for _ in 0..100 {
        let pool = SqlitePool::clone(&pool);
        is_silent(async move {
            tokio::spawn(async move { count(&pool).await })
                .await
                .unwrap()
        })
        .await;
    }
    work.commit().await.unwrap();
    assert_none(&pool.received());
}
