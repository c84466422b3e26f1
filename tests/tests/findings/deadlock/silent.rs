//! No finding where the pool drains by itself.

use std::future::Future;
use std::time::Duration;

use futures::FutureExt;
use futures::future::join_all;
use sqlx::leash::{HandleExt, Lint, ScopeExt};
use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqliteConnection, SqlitePool, track};
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::common::{TestPool, bare_pool_of, connect, none_of, options};

use super::{A_WHILE, Meeting, Result, ends, takes, takes_two};

#[track]
async fn sleeps_beside_a_waiter(pool: &SqlitePool) -> Result {
    tokio::try_join!(
        async {
            let held = pool.acquire().await?;
            sleep(A_WHILE).await;
            drop(held);
            Ok(())
        },
        async {
            let held = pool.acquire().await?;
            drop(held);
            Ok(())
        }
    )
    .map(|_| ())
}

#[track]
async fn sleeps_beside_a_callee(pool: &SqlitePool) -> Result {
    futures::try_join!(
        async {
            let held = pool.acquire().await?;
            sleep(A_WHILE).await;
            drop(held);
            Ok(())
        },
        takes(pool)
    )
    .map(|_| ())
}

#[track]
async fn holds_and_sleeps(pool: &SqlitePool) -> Result {
    let held = pool.begin().await?;
    sleep(A_WHILE).await;
    held.rollback().await
}

#[track]
async fn holds_in_a_sibling(pool: &SqlitePool) -> Result {
    tokio::try_join!(holds_and_sleeps(pool), takes(pool)).map(|_| ())
}

#[track]
async fn holds_in_many_siblings(pool: &SqlitePool) -> Result {
    let all = (0..6).map(|_| holds_then_takes_again_unseen(pool.clone()));
    join_all(all).await.into_iter().collect()
}

/// Without the attribute, so that its handles belong to its caller's scope.
async fn holds_then_takes_again_unseen(pool: SqlitePool) -> Result {
    for _ in 0..2 {
        let held = pool.acquire().await?;
        sleep(A_WHILE / 4).await;
        drop(held);
    }
    Ok(())
}

#[track]
async fn holds_in_a_spawned_task(pool: &SqlitePool) -> Result {
    let theirs = pool.clone();
    let (sender, receiver) = oneshot::channel();
    let task = tokio::spawn(
        async move {
            let held = theirs.acquire().await?;
            sender.send(()).unwrap();
            sleep(A_WHILE).await;
            drop(held);
            Ok::<_, sqlx::Error>(())
        }
        .in_current_scope(),
    );
    receiver.await.unwrap();
    let held = pool.acquire().await?;
    drop(held);
    task.await.unwrap()
}

#[track]
async fn moves_it_to_another_task(pool: &SqlitePool) -> Result {
    let first = pool.acquire().await?;
    let task = tokio::spawn(async move {
        sleep(A_WHILE).await;
        drop(first);
    });
    let second = pool.acquire().await?;
    drop(second);
    task.await.unwrap();
    Ok(())
}

#[track]
async fn moves_it_to_a_branch(pool: &SqlitePool) -> Result {
    let first = pool.acquire().await?;
    let branch = async move {
        sleep(A_WHILE).await;
        drop(first);
        Ok(())
    };
    tokio::try_join!(branch, takes(pool)).map(|_| ())
}

#[tokio::test]
async fn branches_and_tasks_do_not_hold_for_each_other() {
    let pool = bare_pool_of(1).await;
    for task in [
        sleeps_beside_a_waiter(&pool).boxed(),
        sleeps_beside_a_callee(&pool).boxed(),
        holds_in_a_sibling(&pool).boxed(),
        holds_in_many_siblings(&pool).boxed(),
        holds_in_a_spawned_task(&pool).boxed(),
        moves_it_to_another_task(&pool).boxed(),
        moves_it_to_a_branch(&pool).boxed(),
    ] {
        let (ended, found) = ends(task).await;
        ended.unwrap();
        none_of(Lint::PoolDeadlock, &found);
    }
}

/// A holder with one permit of two does not wait, while the holder of the other permit does.
async fn beside<F: Future>(pool: &TestPool, holder: F) -> F::Output {
    let meeting = Meeting::of(1);
    let (held, found) = ends(async {
        let waiter = async {
            pool.has_handles(1).await;
            takes_two(pool, &meeting).await
        };
        let (held, second) = tokio::join!(holder, waiter);
        second.unwrap();
        held
    })
    .await;
    none_of(Lint::PoolDeadlock, &found);
    held
}

#[track]
async fn is_busy(pool: &SqlitePool) -> Result {
    let mut held = pool.acquire().await?;
    let long = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500000) SELECT max(i) FROM n";
    sqlx::query(long).execute(&mut *held).await?;
    Ok(())
}

#[track]
async fn lends(pool: &SqlitePool) -> Result {
    let mut held = pool.acquire().await?;
    let lent: &mut SqliteConnection = &mut held;
    sleep(A_WHILE).await;
    sqlx::Connection::ping(lent).await
}

#[track]
async fn reserves(pool: &SqlitePool) -> Result {
    let held = pool.acquire().await?.long_lived("a listener");
    takes_two(pool, &Meeting::of(1)).await?;
    drop(held);
    Ok(())
}

#[track]
async fn hands_out(pool: &SqlitePool) -> sqlx::Result<PoolConnection<Sqlite>> {
    pool.acquire().await
}

#[tokio::test]
async fn beside_a_holder_that_does_not_wait() {
    let pool = bare_pool_of(2).await;
    beside(&pool, holds_and_sleeps(&pool)).await.unwrap();
}

#[tokio::test]
async fn beside_a_busy_holder() {
    let pool = bare_pool_of(2).await;
    beside(&pool, is_busy(&pool)).await.unwrap();
}

#[tokio::test]
async fn beside_a_lent_connection() {
    let pool = bare_pool_of(2).await;
    beside(&pool, lends(&pool)).await.unwrap();
}

#[tokio::test]
async fn beside_a_handle_without_a_scope() {
    let pool = bare_pool_of(2).await;
    let mut kept = Some(hands_out(&pool).await.unwrap());
    beside(&pool, async {
        sleep(A_WHILE).await;
        kept.take();
    })
    .await;
}

#[tokio::test]
async fn a_reserved_handle_does_not_wait() {
    let pool = connect(options(2).acquire_timeout(A_WHILE)).await;
    let (ended, found) = ends(reserves(&pool)).await;
    assert!(matches!(ended, Err(sqlx::Error::PoolTimedOut)));
    none_of(Lint::PoolDeadlock, &found);
}

#[tokio::test]
async fn a_permit_is_free() {
    let pool = bare_pool_of(3).await;
    let meeting = Meeting::of(2);
    let (ended, found) =
        ends(async { tokio::join!(takes_two(&pool, &meeting), takes_two(&pool, &meeting)) }).await;
    ended.0.unwrap();
    ended.1.unwrap();
    none_of(Lint::PoolDeadlock, &found);
}

#[tokio::test]
async fn many_tasks_with_one_handle_each_only_queue() {
    let pool = bare_pool_of(2).await;
    let (ended, found) = ends(join_all((0..20).map(|_| holds_in_a_hurry(&pool)))).await;
    for ended in ended {
        ended.unwrap();
    }
    none_of(Lint::PoolDeadlock, &found);
}

#[track]
async fn holds_in_a_hurry(pool: &SqlitePool) -> Result {
    let held = pool.begin().await?;
    sleep(Duration::from_millis(60)).await;
    held.rollback().await
}
