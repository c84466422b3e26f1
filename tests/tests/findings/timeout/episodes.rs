//! One full report for each episode of a pool.

use futures::future::join_all;
use leash_tests::in_child;
use sqlx::leash::testing::findings;
use sqlx::leash::{Certainty, Verdict};
use sqlx::{SqlitePool, track};
use tokio::sync::{Barrier, Notify};

use crate::common::Lines;
use crate::common::{said, until};

use super::holders::hoards_a_connection;
use super::{Result, assert_verdict, pool_of, waits};

#[tokio::test]
async fn simultaneous_waiters_get_one_verdict() {
    let (pool, taken) = (pool_of(1).await, Notify::new());
    let mut hoarder = Box::pin(hoards_a_connection(&pool, &taken));
    tokio::select! {
        () = taken.notified() => {}
        ended = &mut hoarder => panic!("{ended:?}"),
    }
    let run = async {
        tokio::select! {
            all = join_all((0..5).map(|_| waits(&pool))) => all,
            ended = hoarder => panic!("{ended:?}"),
        }
    };
    let (ended, found) = findings(Box::pin(run)).await;
    assert!(
        ended
            .iter()
            .all(|ended| matches!(ended, Err(sqlx::Error::PoolTimedOut)))
    );
    assert_eq!(found.len(), 5);
    for finding in &found {
        assert_verdict(finding, Verdict::Hoarder, Certainty::Certain);
        assert_eq!(finding.cause, found[0].cause);
        assert_eq!(said(finding, "permits held"), "1 of 1, 5 waiting");
    }
    assert_eq!(pool.stats().timeouts, 5);
}

#[track(warn(pool_deadlock))]
async fn takes_two(pool: &SqlitePool, meet: &Barrier) -> Result {
    let first = pool.acquire().await?;
    meet.wait().await;
    let second = pool.acquire().await?;
    drop(second);
    drop(first);
    Ok(())
}

#[test]
fn an_episode_is_reported_once_and_when_it_changes_and_ends() {
    let test = "timeout::episodes::an_episode_is_reported_once_and_when_it_changes_and_ends";
    let printed = in_child(test, &[], |runtime| {
        runtime.block_on(async {
            let lines = Lines::of_process();
            let (pool, taken) = (pool_of(1).await, Notify::new());
            {
                let mut hoarder = Box::pin(hoards_a_connection(&pool, &taken));
                tokio::select! {
                    () = taken.notified() => {}
                    ended = &mut hoarder => panic!("{ended:?}"),
                }
                for _ in 0..3 {
                    waits(&pool).await.unwrap_err();
                }
            }
            takes_two(&pool, &Barrier::new(1)).await.unwrap_err();
            waits(&pool).await.unwrap();
            until("it recovers", || {
                let mut lines = lines.of("sqlx_leash::pool").into_iter();
                lines.any(|line| line.contains("served again"))
            })
            .await;
            println!();
            for target in ["sqlx_leash::finding", "sqlx_leash::pool"] {
                for reported in lines.of(target) {
                    println!("reported: {}", reported.lines().next().unwrap());
                }
            }
        });
    });
    let reported: Vec<_> = printed
        .out
        .lines()
        .filter(|line| line.starts_with("reported: "))
        .collect();
    let of = |word: &str| reported.iter().filter(|line| line.contains(word)).count();
    assert_eq!(of("[pool_timeout]"), 1, "in full once: {reported:#?}");
    assert_eq!(
        of("reported: WARN pool_timeout: "),
        1,
        "a line for the change: {reported:#?}"
    );
    assert_eq!(
        of("acquires are served again: 4 timeouts in"),
        1,
        "{reported:#?}"
    );
}
