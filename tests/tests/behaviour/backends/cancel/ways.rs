//! Several operations in one function, cancelled in every way in which a task can be cancelled.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures::future::poll_fn;
use futures::{FutureExt, StreamExt, TryStreamExt};
use leash_tests::assert_whole;
use sqlx::{Acquire, Connection, Executor, track};
use tokio::task::yield_now;

use super::super::{Db, pool_of};
use crate::common::{HUNDRED, TestPool, poll_at_most, rows_of};

use super::{INSERT, MOST, Pool, look};

/// Several operations of every kind, with a yield after each: a place to cancel at, however fast the database answers.
#[track]
async fn everything(pool: &Pool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    yield_now().await;
    sqlx::query(INSERT).execute(&mut *tx).await?;
    yield_now().await;
    inside(&mut tx).await?;
    yield_now().await;
    let rows = sqlx::query(HUNDRED).fetch(&mut *tx).count().await;
    assert_eq!(rows, 100);
    yield_now().await;
    tx.commit().await?;
    yield_now().await;
    let mut connection = pool.acquire().await?;
    yield_now().await;
    connection.ping().await?;
    sqlx::query(HUNDRED).fetch_all(&mut *connection).await?;
    yield_now().await;
    connection.close().await?;
    let mut rows = pool.fetch(HUNDRED);
    rows.try_next().await?;
    yield_now().await;
    Ok(())
}

#[track]
async fn inside(tx: &mut sqlx::Transaction<'_, Db>) -> sqlx::Result<()> {
    let mut savepoint = tx.begin().await?;
    yield_now().await;
    savepoint.execute(INSERT).await?;
    yield_now().await;
    savepoint.commit().await
}

/// Calls `give_up` with each number of polls until it returns that everything ended.
async fn until_it_ends(pool: &TestPool<Db>, how: &str, give_up: impl AsyncFn(usize) -> bool) {
    let mut polls = 0;
    while !give_up(polls).await {
        assert_whole(pool, &format!("{how} at poll {polls}")).await;
        polls += 1;
        assert!(polls < MOST, "the operation never ends");
    }
    assert!(polls > 8, "{how} at several places: {polls}");
    assert_whole(pool, how).await;
}

/// Ready at its nth poll, whatever the reason for the poll.
async fn nth_poll(n: usize) {
    let mut polls = 0;
    poll_fn(|_| {
        polls += 1;
        if polls > n {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// Defines a test for each way. The tests share one function, so its rows are only checked where no other test runs it.
macro_rules! ways {
    ($($test:ident => |$pool:ident, $polls:ident| $give_up:expr;)*) => {$(
        #[tokio::test]
        async fn $test() {
            let Some($pool) = pool_of(2).await else { return };
            until_it_ends(&$pool, stringify!($test), async |$polls| $give_up).await;
        }
    )*};
}

ways! {
    dropped => |pool, polls| poll_at_most(polls, everything(&pool)).await.is_some();
    lost_in_select => |pool, polls| {
        tokio::select! {
            biased;
            result = everything(&pool) => {
                result.unwrap();
                true
            }
            () = nth_poll(polls) => false,
        }
    };
    aborted => |pool, polls| {
        let task = tokio::spawn({
            let pool = (*pool).clone();
            async move { everything(&pool).await.unwrap() }
        });
        for _ in 0..polls {
            yield_now().await;
        }
        task.abort();
        match task.await {
            Ok(()) => true,
            Err(error) => {
                assert!(error.is_cancelled(), "{error}");
                false
            }
        }
    };
    unwound => |pool, polls| {
        let caught = AssertUnwindSafe(panics_at(polls, &pool)).catch_unwind().await;
        caught.is_ok()
    };
    unwound_in_a_task => |pool, polls| {
        let task = tokio::spawn({
            let pool = (*pool).clone();
            async move { panics_at(polls, &pool).await }
        });
        task.await.is_ok()
    };
}

/// Panics in the tracked function that polls everything.
#[track]
async fn panics_at(polls: usize, pool: &Pool) {
    let mut everything = pin!(everything(pool));
    let mut left = polls;
    poll_fn(|cx| {
        if left == 0 {
            // Unwinds like a panic, without printing.
            std::panic::resume_unwind(Box::new("as tested"));
        }
        left -= 1;
        everything.as_mut().poll(cx).map(Result::unwrap)
    })
    .await;
}

/// The clock decides where the function is cancelled; nothing may stay behind in any case.
#[tokio::test]
async fn timed_out() {
    let Some(pool) = pool_of(2).await else { return };
    for micros in (0..4_000).step_by(200) {
        let limit = Duration::from_micros(micros);
        if let Ok(result) = tokio::time::timeout(limit, everything(&pool)).await {
            result.unwrap();
        }
        assert_whole(&pool, &format!("{micros} µs")).await;
    }
}

/// A function that only this test runs: its counters balance after every cancellation.
#[tokio::test]
async fn counters_balance_under_all_of_it() {
    #[track]
    async fn work(pool: &Pool) -> sqlx::Result<()> {
        let mut tx = pool.begin().await?;
        sqlx::query(INSERT).execute(&mut *tx).await?;
        yield_now().await;
        sqlx::query(HUNDRED).fetch(&mut *tx).count().await;
        tx.rollback().await?;
        sqlx::query(HUNDRED).fetch(pool).try_next().await?;
        Ok(())
    }
    let Some(pool) = pool_of(2).await else { return };
    let function = concat!(module_path!(), "::counters_balance_under_all_of_it::work");
    for polls in 0..40 {
        let task = tokio::spawn({
            let pool = (*pool).clone();
            async move { work(&pool).await }
        });
        poll_at_most(polls, work(&pool)).await;
        tokio::select! {
            _ = work(&pool) => {}
            () = nth_poll(polls) => {}
        }
        task.abort();
        let _ = task.await;
        look(&pool, function, &format_args!("{polls} polls")).await;
    }
    let rows = rows_of(function.trim_start_matches("behaviour::"));
    assert_eq!(rows.len(), 3);
    // How many calls are cancelled depends on the database. The row streams are always left half-way.
    assert!(
        rows.iter().any(|row| row.cancelled > 0),
        "some calls were cancelled while they ran: {rows:?}"
    );
}

/// A dropped runtime drops its tasks at any place; the pool continues to serve other runtimes.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn runtime_shut_down() {
    let Some(pool) = pool_of(2).await else { return };
    for many_threads in [false, true] {
        for yields in 0..24 {
            let shut_down = {
                let pool = (*pool).clone();
                move || {
                    let mut builder = if many_threads {
                        tokio::runtime::Builder::new_multi_thread()
                    } else {
                        tokio::runtime::Builder::new_current_thread()
                    };
                    let runtime = builder.worker_threads(1).enable_all().build().unwrap();
                    runtime.block_on(async {
                        for _ in 0..2 {
                            let pool = pool.clone();
                            tokio::spawn(async move { everything(&pool).await });
                        }
                        for _ in 0..yields {
                            yield_now().await;
                        }
                    });
                    drop(runtime);
                }
            };
            std::thread::spawn(shut_down).join().unwrap();
            pool.assert_serves_all().await;
            // The connections that the runtime opened are dead, but sqlx's ping may run before that is visible.
            for _ in 0..2 {
                let opened = pool.acquire().await.unwrap();
                let _ = opened.close().await;
            }
            assert_whole(&pool, &format!("a shutdown after {yields} yields")).await;
        }
    }
}
