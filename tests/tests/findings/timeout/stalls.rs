//! A runtime that is blocked, a clock that is paused, a process that was stopped.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::join_all;
use leash_tests::in_child;
use sqlx::leash::testing::findings;
use sqlx::leash::{Certainty, Finding, Lint, ScopeExt, Verdict};
use sqlx::{SqlitePool, track};
use tokio::runtime::Builder;
use tokio::sync::Notify;

use crate::common::{Place, assert_helps, connect, declared, only_of, options, related};

use super::holders::hoards_a_connection;
use super::{
    A_SECOND, SOON, assert_verdict, place_of_waits, pool_of, times_out, waits, while_hoarded,
};

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

#[track]
async fn sleeps_on_its_thread(time: Duration) {
    std::thread::sleep(time);
}

#[track]
async fn computes_in_between(pool: &SqlitePool, time: Duration) -> super::Result {
    tokio::task::yield_now().await;
    sleeps_on_its_thread(time).await; // @in between
    drop(pool.clone());
    Ok(())
}

const LONG: Duration = Duration::from_millis(1600);

/// The finding of an acquire that times out while `blocks` runs beside it.
async fn while_blocked(blocks: impl Future<Output = ()>) -> Finding {
    let (pool, taken) = (pool_of(1).await, Notify::new());
    let finding = async {
        let mut hoarder = Box::pin(hoards_a_connection(&pool, &taken));
        tokio::select! {
            () = taken.notified() => {}
            ended = &mut hoarder => panic!("{ended:?}"),
        }
        let run = async {
            let blocks = async {
                pool.has_waiting(1).await;
                blocks.await;
            };
            let (ended, ()) = futures::join!(waits(&pool), blocks);
            assert!(matches!(ended, Err(sqlx::Error::PoolTimedOut)), "{ended:?}");
        };
        let ((), found) = findings(Box::pin(run)).await;
        only_of(Lint::PoolTimeout, &found).clone()
    };
    let finding = finding.await;
    assert_verdict(&finding, Verdict::RuntimeStall, Certainty::Likely);
    related(&finding, &place_of_waits());
    assert_helps(&finding, "spawn_blocking");
    finding
}

#[track_caller]
fn assert_blames(finding: &Finding, function: &str) {
    let name = format!("findings::timeout::stalls::{function}");
    assert_eq!(
        finding.function.as_deref(),
        Some(&*name),
        "{}",
        finding.render()
    );
    assert!(
        finding.label.starts_with("kept its thread for 1."),
        "{}",
        finding.label
    );
    assert!(
        finding
            .cause
            .starts_with(&format!("{name} kept its thread for 1.")),
        "{}",
        finding.cause
    );
}

#[tokio::test]
async fn a_tracked_function_blocks_the_only_thread() {
    let finding = while_blocked(sleeps_on_its_thread(LONG)).await;
    assert_blames(&finding, "sleeps_on_its_thread");
    assert_eq!(
        Place::from(&finding.primary),
        declared("sleeps_on_its_thread")
    );
}

/// The innermost function is named, not the one that calls it.
#[tokio::test]
async fn the_function_that_blocks_is_called_by_another() {
    let pool = pool_of(1).await;
    let blocks = async { computes_in_between(&pool, LONG).await.unwrap() };
    let finding = while_blocked(blocks).await;
    assert_blames(&finding, "sleeps_on_its_thread");
}

#[track]
async fn step() -> u32 {
    std::thread::sleep(Duration::from_millis(20));
    1
}

#[track]
async fn never_gives_way() {
    let mut steps = 0;
    while steps < 80 {
        steps += step().await;
    }
}

/// None of the steps is long. The function that runs them one after the other is.
#[tokio::test]
async fn many_short_steps_without_a_pause() {
    let finding = while_blocked(never_gives_way()).await;
    assert_blames(&finding, "never_gives_way");
}

#[test]
fn a_tracked_function_blocks_every_thread() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let finding = runtime.block_on(async {
        let run = async {
            let pool = Arc::new(pool_of(1).await);
            let _held = pool.acquire().await.unwrap();
            let theirs = SqlitePool::clone(&pool);
            let waiter = tokio::spawn(async move { waits(&theirs).await }.in_current_scope());
            pool.has_waiting(1).await;
            let blockers: Vec<_> = (0..4)
                .map(|_| tokio::spawn(sleeps_on_its_thread(LONG)))
                .collect();
            waiter.await.unwrap().unwrap_err();
            join_all(blockers).await;
        };
        let ((), found) = findings(Box::pin(run)).await;
        only_of(Lint::PoolTimeout, &found).clone()
    });
    assert_verdict(&finding, Verdict::RuntimeStall, Certainty::Likely);
    assert_blames(&finding, "sleeps_on_its_thread");
}

#[track]
async fn waits_on_its_main_thread(pool: &SqlitePool) -> super::Result {
    waits(pool).await
}

/// Near miss: a main thread that waits in `block_on` is in no poll, and a function on another thread that works for long
/// keeps nobody from running.
#[test]
fn a_thread_that_waits_is_no_stall() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let elsewhere = std::thread::spawn(|| futures::executor::block_on(sleeps_on_its_thread(LONG)));
    let finding = runtime.block_on(async {
        let pool = pool_of(1).await;
        let _held = pool.acquire().await.unwrap();
        let (ended, found) = findings(Box::pin(waits_on_its_main_thread(&pool))).await;
        ended.unwrap_err();
        only_of(Lint::PoolTimeout, &found).clone()
    });
    elsewhere.join().unwrap();
    assert_verdict(&finding, Verdict::Hoarder, Certainty::Certain);
}
