//! Deadlocks that are likely at most: a holder may go on without its permit.

use std::future::Future;
use std::pin::Pin;

use futures::FutureExt;
use sqlx::leash::{Certainty, Finding, Lint};
use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqliteConnection, SqlitePool, track};
use tokio::time::{sleep, timeout};

use crate::common::{assert_certainty, bare_pool_of, connect, none_of, options, reads};

use super::{A_WHILE, Meeting, Result, ends, found_among, takes};

#[track]
async fn through_a_box(pool: &SqlitePool, meeting: &Meeting) -> Result {
    let first = pool.acquire().await?;
    meeting.all_here().await;
    let boxed: Pin<Box<dyn Future<Output = Result> + Send + '_>> = Box::pin(takes(pool));
    boxed.await?;
    drop(first);
    Ok(())
}

#[track]
async fn takes_another_after_lending(pool: &SqlitePool, meeting: &Meeting) -> Result {
    let mut first = pool.acquire().await?; // @lent
    reads_unseen(&mut first).await?;
    meeting.all_here().await;
    let second = pool.acquire().await?;
    drop(second);
    drop(first);
    Ok(())
}

#[track]
async fn takes_another_while_lending(pool: &SqlitePool) -> Result {
    let mut first = pool.acquire().await?;
    let lent: &mut SqliteConnection = &mut first;
    let (read, second) = tokio::join!(reads(lent), pool.acquire());
    drop((first, second));
    read
}

/// Code without the attribute: what it does with the connection is not seen.
async fn reads_unseen(conn: &mut SqliteConnection) -> Result {
    sqlx::query("SELECT 1").execute(conn).await.map(drop)
}

#[tokio::test]
async fn after_it_was_lent_to_unseen_code_it_is_likely() {
    let pool = bare_pool_of(1).await;
    let meeting = Meeting::of(1);
    let tasks = vec![takes_another_after_lending(&pool, &meeting).boxed()];
    let (finding, _) = found_among(&pool, &meeting, tasks).await;
    assert_certainty(&finding, Certainty::Likely);
    assert!(
        finding.cause.contains("was lent to plain sqlx"),
        "{}",
        finding.cause
    );
}

/// The scope may use the lent connection while it waits for another.
#[tokio::test]
async fn while_it_is_lent_nothing_is_reported() {
    let pool = connect(options(1).acquire_timeout(A_WHILE)).await;
    let (ended, found) = ends(takes_another_while_lending(&pool)).await;
    ended.unwrap();
    none_of(Lint::PoolDeadlock, &found);
}

#[tokio::test]
async fn through_a_boxed_future_it_is_likely() {
    let pool = bare_pool_of(1).await;
    let meeting = Meeting::of(1);
    let tasks = vec![through_a_box(&pool, &meeting).boxed()];
    let (finding, _) = found_among(&pool, &meeting, tasks).await;
    assert_certainty(&finding, Certainty::Likely);
    assert!(
        finding.cause.contains("is not awaited directly"),
        "{}",
        finding.cause
    );
}

fn never_certain(found: &[Finding]) {
    for finding in found {
        assert!(
            finding.lint != Lint::PoolDeadlock || finding.certainty != Certainty::Certain,
            "not certain at all:\n{}",
            finding.render()
        );
    }
}

#[track]
async fn gives_up_the_acquire(pool: &SqlitePool) -> Result {
    let first = pool.acquire().await?;
    let second = timeout(A_WHILE, pool.acquire()).await;
    assert!(second.is_err());
    drop(first);
    Ok(())
}

#[track]
async fn gives_up_the_callee(pool: &SqlitePool) -> Result {
    let first = pool.acquire().await?;
    let second = timeout(A_WHILE, takes(pool)).await;
    assert!(second.is_err());
    drop(first);
    Ok(())
}

#[track]
async fn selects(pool: &SqlitePool) -> Result {
    let first = pool.acquire().await?;
    tokio::select! {
        second = pool.acquire() => panic!("{second:?}"),
        () = sleep(A_WHILE) => {}
    }
    drop(first);
    Ok(())
}

#[track]
async fn gives_up_by_a_future_of_its_own(pool: &SqlitePool) -> Result {
    struct Impatient<F>(F, Pin<Box<tokio::time::Sleep>>);
    impl<F: Future + Unpin> Future for Impatient<F> {
        type Output = Option<F::Output>;
        fn poll(
            self: Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Self::Output> {
            let this = self.get_mut();
            if this.1.as_mut().poll(cx).is_ready() {
                return std::task::Poll::Ready(None);
            }
            Pin::new(&mut this.0).poll(cx).map(Some)
        }
    }
    let first = pool.acquire().await?;
    let second = Impatient(Box::pin(pool.acquire()), Box::pin(sleep(A_WHILE))).await;
    assert!(second.is_none());
    drop(first);
    Ok(())
}

#[tokio::test]
async fn a_wait_that_may_be_cancelled_is_never_certain() {
    let pool = bare_pool_of(1).await;
    for task in [
        gives_up_the_acquire(&pool).boxed(),
        gives_up_the_callee(&pool).boxed(),
        selects(&pool).boxed(),
        gives_up_by_a_future_of_its_own(&pool).boxed(),
    ] {
        let (ended, found) = ends(task).await;
        ended.unwrap();
        never_certain(&found);
    }
}

#[track]
async fn sends_it_away(
    pool: &SqlitePool,
    to: tokio::sync::mpsc::UnboundedSender<PoolConnection<Sqlite>>,
) -> Result {
    let first = pool.acquire().await?;
    assert!(to.send(first).is_ok());
    let second = pool.acquire().await?;
    drop(second);
    Ok(())
}

#[tokio::test]
async fn a_handle_sent_to_another_task_is_never_certain() {
    let pool = bare_pool_of(1).await;
    let (to, mut from) = tokio::sync::mpsc::unbounded_channel();
    let other = async {
        let sent = from.recv().await;
        sleep(A_WHILE).await;
        drop(sent);
    };
    let ((ended, ()), found) = ends(async { tokio::join!(sends_it_away(&pool, to), other) }).await;
    ended.unwrap();
    never_certain(&found);
}

#[tokio::test]
async fn branches_without_the_attribute_are_never_certain() {
    let pool = bare_pool_of(1).await;
    let (_, found) = ends(async {
        tokio::join!(
            async {
                let held = pool.acquire().await;
                sleep(A_WHILE).await;
                drop(held);
            },
            async { pool.acquire().await.map(drop) },
        )
    })
    .await;
    never_certain(&found);
}
