//! The next use of a connection after an operation on it was cancelled.

use futures::StreamExt;
use leash_tests::assert_whole;
use sqlx::leash::Activity;
use sqlx::{Acquire, Connection, Executor};

use super::super::{BEGIN_WAITING, BY_ID, GOES_ON, pool_of};
use crate::common::{HUNDRED, poll_at_most, poll_until};

use super::{INSERT, MOST, SELECT};

/// A connection is usable after a cancelled operation, as with sqlx.
#[tokio::test]
async fn a_connection_goes_on() {
    if !GOES_ON {
        return;
    }
    let Some(pool) = pool_of(1).await else { return };
    let mut connection = pool.acquire().await.unwrap();
    for polls in 0..12 {
        poll_at_most(polls, connection.fetch_all(HUNDRED)).await;
        poll_at_most(polls, connection.fetch(HUNDRED).count()).await;
        poll_at_most(polls, connection.ping()).await;
        let by_id = sqlx::query(BY_ID).bind(1_i64);
        by_id.fetch_optional(&mut *connection).await.unwrap();
        let mut tx = connection.begin().await.unwrap();
        poll_at_most(polls, tx.fetch_all(HUNDRED)).await;
        assert_eq!(tx.fetch_all(HUNDRED).await.unwrap().len(), 100);
        tx.commit().await.unwrap();
    }
    drop(connection);
    assert_whole(&pool, "all").await;
}

/// The published recipe: a cancelled `begin` must not leave its transaction open on the connection that it returns.
///
/// transact-rs/sqlx#4393
#[tokio::test]
async fn the_next_borrower_is_outside_the_transaction_that_was_given_up() {
    let Some(pool) = pool_of(1).await else { return };
    for polls in 0..MOST {
        let ended = poll_at_most(polls, pool.begin()).await.is_some();
        // After one error inside a transaction, PostgreSQL would refuse every later statement.
        pool.execute("SELECT * FROM nowhere")
            .await
            .map(drop)
            .unwrap_err();
        pool.execute(SELECT)
            .await
            .unwrap_or_else(|error| panic!("{polls} polls poisoned the pool: {error}"));
        // The row stays written, whatever happens to the connection.
        pool.execute(INSERT).await.unwrap();
        pool.acquire().await.unwrap().close().await.unwrap();
        let written: i64 = sqlx::query_scalar("SELECT count(*) FROM exam")
            .fetch_one(&*pool)
            .await
            .unwrap();
        assert_eq!(
            usize::try_from(written).unwrap(),
            polls + 1,
            "{polls} polls rolled a statement back"
        );
        assert_whole(&pool, "a cancelled begin").await;
        if ended {
            return;
        }
    }
    panic!("the operation never ends");
}

/// The same, with the cancellation certain to come before the answer: the server has begun, and waits for a lock.
#[tokio::test]
async fn the_next_borrower_is_outside_a_transaction_that_was_given_up_waiting() {
    let Some(pool) = pool_of(2).await else { return };
    for _ in 0..5 {
        let mut writer = pool.begin().await.unwrap();
        writer.execute(INSERT).await.unwrap();
        let is_sent = || {
            pool.handles()
                .iter()
                .any(|handle| handle.activity == Activity::Busy)
        };
        poll_until(pool.begin_with(BEGIN_WAITING), is_sent).await;
        writer.commit().await.unwrap();
        assert_whole(&pool, "a begin cancelled while it waited").await;
    }
}
