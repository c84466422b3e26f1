//! Many deadlocks in one process, and one among many tasks.

use std::sync::Arc;

use futures::future::join_all;
use sqlx::leash::testing::findings;
use sqlx::leash::{Lint, ScopeExt};
use sqlx::{SqlitePool, track};
use tokio::time::timeout;

use crate::common::{PATIENCE, bare_pool_of, note_panics, panics_about};

use super::{Meeting, Result, SOON, check_of_size, takes_one_by_one};

/// A panic breaks a deadlock, and the next task in the queue forms another, which is reported and broken as well.
///
/// On one thread: a task that the watchdog sees waiting is in the queue already.
#[tokio::test]
async fn one_after_the_other() {
    if !cfg!(debug_assertions) {
        return;
    }
    note_panics();
    let pool = bare_pool_of(2).await;
    let held = [pool.acquire().await.unwrap(), pool.acquire().await.unwrap()];
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let pool = SqlitePool::clone(&pool);
            tokio::spawn(async move { takes_one_and_another(&pool).await })
        })
        .collect();
    // All four are in the queue for their first permit. A task that asks for its second queues behind them.
    pool.has_waiting(4).await;
    drop(held);
    let ended = timeout(PATIENCE, join_all(tasks)).await;
    let ended = ended.expect("each deadlock is broken");
    let panicked = ended.iter().filter(|ended| ended.is_err()).count();
    assert_eq!(
        panicked, 3,
        "the last task has the pool for itself: {ended:?}"
    );
    assert_eq!(panics_about(pool.name()).len(), panicked);
}

#[track]
async fn takes_one_and_another(pool: &SqlitePool) -> Result {
    let first = pool.acquire().await?;
    let second = pool.acquire().await?;
    drop(second);
    drop(first);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn among_a_thousand_tasks() {
    let pool = bare_pool_of(5).await;
    let meeting = Meeting::of(5);
    let run = async {
        let tasks: Vec<_> = (0..1000)
            .map(|_| {
                let (pool, meeting) = (SqlitePool::clone(&pool), Arc::clone(&meeting));
                let task = async move { takes_one_by_one(&pool, &meeting).await };
                tokio::spawn(task.in_current_scope())
            })
            .collect();
        let received = pool.first_of(Lint::PoolDeadlock).await;
        for task in &tasks {
            task.abort();
        }
        join_all(tasks).await;
        received
    };
    let ((when, finding), _) = findings(Box::pin(run)).await;
    let soon = when.saturating_duration_since(meeting.formed());
    println!("reported {soon:?} after it formed");
    assert!(soon < SOON, "reported only {soon:?} after it formed");
    check_of_size(&finding, 5);
}
