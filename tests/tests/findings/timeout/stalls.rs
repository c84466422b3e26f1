//! A runtime that is blocked, a clock that is paused, a process that was stopped.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::join_all;
use leash_tests::in_child;
use sqlx::SqlitePool;
use sqlx::leash::testing::findings;
use sqlx::leash::{Certainty, Lint, ScopeExt, Verdict};
use tokio::runtime::Builder;
use tokio::sync::Notify;

use crate::common::{assert_helps, connect, only_of, options};

use super::holders::hoards_a_connection;
use super::{A_SECOND, SOON, assert_verdict, pool_of, times_out, waits, while_hoarded};

/// A task may leave its own acquires unpolled, for example those of a stream that it does not read.
#[tokio::test]
async fn a_waiter_that_its_own_task_does_not_poll_is_no_stall() {
    let pool = connect(options(1).acquire_timeout(Duration::from_secs(2))).await;
    let taken = Notify::new();
    let mut hoarder = Box::pin(hoards_a_connection(&pool, &taken));
    tokio::select! {
        () = taken.notified() => {}
        ended = &mut hoarder => panic!("{ended:?}"),
    }
    let mut unpolled = Box::pin(waits(&pool));
    assert!(unpolled.as_mut().now_or_never().is_none(), "it waits");
    let finding = times_out(&pool, hoarder).await;
    assert_verdict(&finding, Verdict::Hoarder, Certainty::Certain);
}

#[tokio::test]
async fn something_blocks_the_only_thread() {
    let (pool, taken) = (pool_of(1).await, Notify::new());
    let finding = while_hoarded(&pool, &taken, async {
        pool.has_handles(1).await;
        pool.has_waiting(1).await;
        std::thread::sleep(SOON + Duration::from_millis(1200));
        Ok(())
    });
    let hoarder = hoards_a_connection(&pool, &taken);
    let finding = async {
        tokio::select! {
            finding = finding => finding,
            ended = hoarder => panic!("{ended:?}"),
        }
    };
    let finding = finding.await;
    assert_verdict(&finding, Verdict::RuntimeStall, Certainty::Likely);
    assert!(
        finding.cause.contains("something blocks its threads"),
        "{}",
        finding.cause
    );
    assert_helps(&finding, "spawn_blocking");
}

#[test]
fn something_blocks_every_thread() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let blocks = async {
        let (pool, taken) = (Arc::new(pool_of(1).await), Notify::new());
        let mut hoarder = Box::pin(hoards_a_connection(&pool, &taken));
        tokio::select! {
            () = taken.notified() => {}
            _ = &mut hoarder => {}
        }
        let run = async {
            let theirs = SqlitePool::clone(&pool);
            let waiter = tokio::spawn(async move { waits(&theirs).await }.in_current_scope());
            pool.has_waiting(1).await;
            let blockers = (0..4).map(|_| {
                tokio::spawn(async { std::thread::sleep(SOON + Duration::from_millis(1200)) })
            });
            let blockers: Vec<_> = blockers.collect();
            let ended = waiter.await.unwrap();
            assert!(matches!(ended, Err(sqlx::Error::PoolTimedOut)));
            join_all(blockers).await;
        };
        let ((), found) = findings(Box::pin(run)).await;
        let finding = only_of(Lint::PoolTimeout, &found);
        assert_verdict(finding, Verdict::RuntimeStall, Certainty::Likely);
    };
    runtime.block_on(blocks);
}

#[tokio::test]
async fn the_clock_is_paused() {
    let (pool, taken) = (
        connect(options(1).acquire_timeout(Duration::from_secs(20))).await,
        Notify::new(),
    );
    let mut hoarder = Box::pin(hoards_a_connection(&pool, &taken));
    tokio::select! {
        () = taken.notified() => {}
        ended = &mut hoarder => panic!("{ended:?}"),
    }
    tokio::time::pause();
    let finding = times_out(&pool, hoarder).await;
    assert_verdict(&finding, Verdict::Unknown, Certainty::Certain);
    assert!(
        finding.cause.contains("clock is paused"),
        "{}",
        finding.cause
    );
    assert_helps(&finding, "tokio::time::resume()");
}

#[test]
fn the_process_was_stopped() {
    in_child("timeout::stalls::the_process_was_stopped", &[], |runtime| {
        runtime.block_on(async {
            let pool = connect(options(1).acquire_timeout(2 * A_SECOND)).await;
            let taken = Notify::new();
            let finding = while_hoarded(&pool, &taken, async {
                tokio::try_join!(hoards_a_connection(&pool, &taken), async {
                    pool.has_handles(1).await;
                    pool.has_waiting(1).await;
                    // An outside process stops and wakes this one.
                    let process = std::process::id();
                    let script = format!("kill -STOP {process}; sleep 3; kill -CONT {process}");
                    Command::new("sh")
                        .args(["-c", &script])
                        .spawn()
                        .unwrap()
                        .wait()
                        .unwrap();
                    Ok(())
                })
                .map(|_| ())
            })
            .await;
            assert_verdict(&finding, Verdict::Unknown, Certainty::Certain);
            assert!(
                finding.cause.contains("the process stood still for"),
                "{}",
                finding.cause
            );
        });
    });
}
