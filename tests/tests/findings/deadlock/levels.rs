//! Allowed, warned of and denied, and reported once.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use leash_tests::in_child;
use sqlx::leash::{Certainty, Lint, Verdict};
use sqlx::{SqlitePool, track};
use tokio::time::timeout;

use crate::common::{
    PATIENCE, TestPool, assert_certainty, connect, none_of, note_panics, only_of, options,
    panics_about, related,
};

use super::{A_WHILE, Meeting, Result, ends, holds_for_callee, place_of, takes_two};

#[tokio::test]
async fn it_is_reported_before_the_acquire_times_out_and_once() {
    let pool = connect(options(1).acquire_timeout(Duration::from_secs(2))).await;
    let meeting = Meeting::of(1);
    let (ended, found) = ends(takes_two(&pool, &meeting)).await;
    assert!(matches!(ended, Err(sqlx::Error::PoolTimedOut)));
    let deadlock = only_of(Lint::PoolDeadlock, &found);
    assert_certainty(deadlock, Certainty::Certain);
    let timed_out = only_of(Lint::PoolTimeout, &found);
    assert_eq!(timed_out.verdict, Some(Verdict::Deadlock));
    assert_certainty(timed_out, Certainty::Certain);
    related(timed_out, &place_of("two first", "acquire"));
}

async fn spawned(
    pool: &TestPool,
    tasks: usize,
) -> Vec<std::result::Result<Result, tokio::task::JoinError>> {
    let meeting = Meeting::of(tasks);
    let pool = SqlitePool::clone(pool);
    let spawned = (0..tasks).map(|_| {
        let (pool, meeting) = (pool.clone(), Arc::clone(&meeting));
        tokio::spawn(async move { holds_for_callee(&pool, &meeting).await })
    });
    timeout(PATIENCE, join_all(spawned.collect::<Vec<_>>()))
        .await
        .expect("they end")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deny_panics_where_the_last_one_waits_and_frees_the_others() {
    note_panics();
    let pool = connect(options(3).acquire_timeout(if cfg!(debug_assertions) {
        PATIENCE
    } else {
        Duration::from_secs(1)
    }))
    .await;
    let ended = spawned(&pool, 3).await;
    if !cfg!(debug_assertions) {
        return;
    }
    let panicked = ended.iter().filter(|ended| ended.is_err()).count();
    assert_eq!(panicked, 1, "{ended:?}");
    let went_on = ended.iter().filter(|ended| matches!(ended, Ok(Ok(()))));
    assert_eq!(went_on.count(), 2, "{ended:?}");
    let panics = panics_about(pool.name());
    let [(place, message)] = &panics[..] else {
        panic!("{panics:#?}");
    };
    assert_eq!(*place, place_of("takes", "execute"));
    assert!(
        message.contains("pool_deadlock") && message.contains("= help:"),
        "{message}"
    );
    let first = place_of("callee first", "begin");
    let first = format!("{}:{}:{}", first.file, first.line, first.column);
    assert!(message.contains(&first), "{message}");
}

#[track(allow(pool_deadlock, reason = "a test of silence"))]
async fn is_allowed(pool: &SqlitePool, meeting: &Meeting) -> Result {
    let first = pool.acquire().await?;
    meeting.all_here().await;
    let second = pool.acquire().await?;
    drop(second);
    drop(first);
    Ok(())
}

#[tokio::test]
async fn allow_is_silent() {
    let pool = connect(options(1).acquire_timeout(A_WHILE)).await;
    let meeting = Meeting::of(1);
    let (ended, found) = ends(is_allowed(&pool, &meeting)).await;
    assert!(ended.is_err());
    none_of(Lint::PoolDeadlock, &found);
}

#[track(warn(pool_deadlock, pool_timeout))]
async fn is_warned(pool: &SqlitePool) -> Result {
    let first = pool.acquire().await?;
    let second = pool.acquire().await?;
    drop(second);
    drop(first);
    Ok(())
}

#[test]
fn warn_logs_once() {
    let test = "deadlock::levels::warn_logs_once";
    let printed = in_child(test, &[], |runtime| {
        runtime.block_on(async {
            let pool = connect(options(1).acquire_timeout(Duration::from_secs(1))).await;
            for _ in 0..2 {
                is_warned(&pool).await.unwrap_err();
            }
            assert_eq!(pool.received_of(Lint::PoolDeadlock).len(), 2);
        });
    });
    let logged = printed.err.matches("[pool_deadlock]").count();
    if cfg!(debug_assertions) {
        assert_eq!(logged, 1, "{}", printed.err);
    }
    assert!(!printed.err.contains("panicked"), "{}", printed.err);
}
