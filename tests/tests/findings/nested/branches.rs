//! A handle that one branch or task holds does not count as held by another.

use futures::future::{BoxFuture, join_all};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt, TryStreamExt};
use sqlx::leash::ScopeExt;
use sqlx::{SqlitePool, track};
use tokio::time::{Duration, sleep};

use crate::common::bare_pool_of;

use super::found::takes;
use super::{Result, is_silent};

/// The time for which two branches hold a permit concurrently.
const A_MOMENT: Duration = Duration::from_millis(30);

#[track]
async fn holds_for_a_moment(pool: &SqlitePool) -> Result {
    let conn = pool.acquire().await?;
    sleep(A_MOMENT).await;
    drop(conn);
    Ok(())
}

#[track]
async fn later(pool: &SqlitePool) -> Result {
    sleep(A_MOMENT / 2).await;
    takes(pool).await
}

#[track]
async fn joins_functions(pool: &SqlitePool) -> Result {
    tokio::try_join!(holds_for_a_moment(pool), takes(pool), later(pool))?;
    futures::try_join!(holds_for_a_moment(pool), takes(pool), later(pool))?;
    futures::future::try_join(holds_for_a_moment(pool), later(pool)).await?;
    Ok(())
}

#[track]
async fn joins_blocks(pool: &SqlitePool) -> Result {
    let (one, other) = tokio::join!(
        async {
            let conn = pool.acquire().await?;
            sleep(A_MOMENT).await;
            drop(conn);
            Ok(())
        },
        async {
            sleep(A_MOMENT / 2).await;
            let conn = pool.acquire().await?;
            drop(conn);
            takes(pool).await
        }
    );
    one.and(other)
}

#[track]
async fn joins_blocks_made_before(pool: &SqlitePool) -> Result {
    let one = async {
        let mut tx = pool.begin().await?;
        sleep(A_MOMENT).await;
        sqlx::query("SELECT 1").execute(&mut *tx).await?;
        tx.commit().await
    };
    let other = async {
        sleep(A_MOMENT / 2).await;
        sqlx::query("SELECT 1").execute(pool).await?;
        Ok(())
    };
    futures::future::try_join(one, other).await.map(|_| ())
}

#[track]
async fn joins_statements(pool: &SqlitePool) -> Result {
    let (one, other, third) = tokio::join!(
        sqlx::query("SELECT 1").fetch_one(pool),
        sqlx::query("SELECT 2").fetch_all(pool),
        sqlx::query("SELECT 3").execute(pool)
    );
    one.map(drop).and(other.map(drop)).and(third.map(drop))
}

#[track]
async fn joins_acquires(pool: &SqlitePool) -> Result {
    let (one, other) = tokio::try_join!(pool.acquire(), pool.acquire())?;
    drop(one);
    drop(other);
    let (one, other) = futures::future::try_join(pool.begin(), pool.acquire()).await?;
    drop(one);
    drop(other);
    Ok(())
}

#[track]
async fn joins_all(pool: &SqlitePool) -> Result {
    for ended in join_all((0..3).map(|_| holds_for_a_moment(pool))).await {
        ended?;
    }
    let closures = (0..3).map(async |_| {
        let conn = pool.acquire().await?;
        sleep(A_MOMENT).await;
        drop(conn);
        Ok::<_, sqlx::Error>(())
    });
    join_all(closures).await.into_iter().collect()
}

#[track]
async fn joins_unordered(pool: &SqlitePool) -> Result {
    let unordered: FuturesUnordered<_> = (0..3).map(|_| holds_for_a_moment(pool)).collect();
    unordered.try_collect::<()>().await?;
    let unordered: FuturesUnordered<_> = (0..3).map(|_| unseen(pool)).collect();
    unordered.try_collect::<()>().await
}

/// Without the attribute, so that its handles belong to its caller's scope.
async fn unseen(pool: &SqlitePool) -> Result {
    for _ in 0..2 {
        let conn = pool.acquire().await?;
        sleep(A_MOMENT).await;
        drop(conn);
    }
    Ok(())
}

#[track]
async fn joins_unseen(pool: &SqlitePool) -> Result {
    tokio::try_join!(unseen(pool), unseen(pool)).map(|_| ())
}

#[track]
async fn buffers(pool: &SqlitePool) -> Result {
    futures::stream::iter(0..6)
        .map(|_| async move {
            let conn = pool.acquire().await?;
            sleep(A_MOMENT).await;
            drop(conn);
            Ok::<_, sqlx::Error>(())
        })
        .buffer_unordered(3)
        .try_collect::<()>()
        .await
}

#[track]
async fn buffers_one_after_the_other(pool: &SqlitePool) -> Result {
    futures::stream::iter(0..6)
        .map(|n| async move {
            let conn = pool.acquire().await?;
            drop(conn);
            sleep(A_MOMENT / 6 * n).await;
            let conn = pool.acquire().await?;
            sleep(A_MOMENT).await;
            drop(conn);
            Ok::<_, sqlx::Error>(())
        })
        .buffer_unordered(3)
        .try_collect::<()>()
        .await
}

#[track]
async fn spawns(pool: &SqlitePool) -> Result {
    let theirs = pool.clone();
    let first = pool.acquire().await?;
    let plain = tokio::spawn(async move { takes(&theirs).await });
    let theirs = pool.clone();
    let carried = tokio::spawn(async move { takes(&theirs).await }.in_current_scope());
    plain.await.unwrap()?;
    carried.await.unwrap()?;
    drop(first);
    Ok(())
}

#[track]
async fn gives_it_to_a_task(pool: &SqlitePool) -> Result {
    let first = pool.acquire().await?;
    let task = tokio::spawn(async move {
        sleep(A_MOMENT).await;
        drop(first);
    });
    takes(pool).await?;
    task.await.unwrap();
    Ok(())
}

#[tokio::test]
async fn branches_and_tasks_do_not_hold_for_each_other() {
    let pool = bare_pool_of(9).await;
    let mut tasks: Vec<BoxFuture<'_, Result>> = Vec::new();
    tasks.push(joins_functions(&pool).boxed());
    tasks.push(joins_blocks(&pool).boxed());
    tasks.push(joins_blocks_made_before(&pool).boxed());
    tasks.push(joins_statements(&pool).boxed());
    tasks.push(joins_acquires(&pool).boxed());
    tasks.push(joins_all(&pool).boxed());
    tasks.push(joins_unordered(&pool).boxed());
    tasks.push(joins_unseen(&pool).boxed());
    tasks.push(buffers(&pool).boxed());
    tasks.push(buffers_one_after_the_other(&pool).boxed());
    tasks.push(spawns(&pool).boxed());
    tasks.push(gives_it_to_a_task(&pool).boxed());
    for task in tasks {
        is_silent(task).await;
    }
}

#[tokio::test]
async fn the_same_without_the_attribute() {
    let pool = bare_pool_of(9).await;
    let pool: &SqlitePool = &pool;
    is_silent(async { tokio::try_join!(holds_for_a_moment(pool), later(pool)).map(|_| ()) }).await;
    is_silent(async {
        let unordered: FuturesUnordered<_> = (0..3).map(|_| unseen(pool)).collect();
        unordered.try_collect::<()>().await
    })
    .await;
    is_silent(async {
        let (one, other) = tokio::join!(
            sqlx::query("SELECT 1").fetch_one(pool),
            sqlx::query("SELECT 2").fetch_one(pool)
        );
        one.map(drop).and(other.map(drop))
    })
    .await;
}
