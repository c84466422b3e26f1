//! An observer is told what the snapshot counts, each end once.

use futures::TryStreamExt;
use futures::future::join_all;
use leash_tests::{assert_told_of, observe};
use sqlx::pool::PoolConnection;
use sqlx::{Connection, Executor, track};
use tokio::task::yield_now;

use super::{BY_ID, Db, GOES_ON, pool_of};
use crate::common::poll_at_most;

type Pool = sqlx::Pool<Db>;

const INSERT: &str = "INSERT INTO exam (name) VALUES ('x')";
const SELECT: &str = "SELECT * FROM exam";
const WRONG: &str = "SELECT * FROM no_such_table";

const TASKS: u64 = 8;
const ROUNDS: u64 = 5;

/// Statements that end well, with an error, and after the first row; transactions that end in every way.
#[track]
async fn works(pool: &Pool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    sqlx::query(INSERT).execute(&mut *tx).await?;
    let mut savepoint = tx.begin().await?;
    savepoint.execute(INSERT).await?;
    savepoint.rollback().await?;
    tx.commit().await?;
    sqlx::query(BY_ID).bind(-1_i64).fetch_optional(pool).await?;
    assert!(sqlx::query(WRONG).execute(pool).await.is_err());
    let mut rows = sqlx::query(SELECT).fetch(pool);
    rows.try_next().await?;
    drop(rows);
    let connection = pool.acquire().await?;
    yield_now().await;
    drop(connection);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_many_tasks_at_once() {
    observe();
    let Some(pool) = pool_of(3).await else { return };
    let tasks = (0..TASKS).map(|_| {
        let pool = (*pool).clone();
        tokio::spawn(async move {
            for _ in 0..ROUNDS {
                works(&pool).await.unwrap();
            }
        })
    });
    for ended in join_all(tasks).await {
        ended.unwrap();
    }
    let of_texts = assert_told_of(&here!("works"));
    let calls = TASKS * ROUNDS;
    assert_eq!(of_texts[WRONG].errors, calls);
    assert_eq!(
        (of_texts[SELECT].cancelled, of_texts[SELECT].rows_returned),
        (calls, calls)
    );
    assert_eq!(of_texts[INSERT].rows_affected, 2 * calls);
    pool.assert_told();
    // Each of the four: the transaction, the two queries, the stream, the connection.
    assert_eq!(pool.told().waits["granted"], 5 * calls);
    pool.close().await;
    assert!(pool.acquire().await.is_err());
    pool.assert_told();
    let told = pool.told();
    assert_eq!(told.waits["error"], 1);
    assert_eq!(told.closed.values().sum::<u64>(), told.opened);
}

/// The same function, given up after each of its polls.
#[tokio::test]
async fn given_up_at_every_poll() {
    #[track]
    async fn is_given_up(pool: &Pool) -> sqlx::Result<()> {
        let mut tx = pool.begin().await?;
        sqlx::query(INSERT).execute(&mut *tx).await?;
        tx.commit().await?;
        sqlx::query(BY_ID).bind(1_i64).fetch_optional(pool).await?;
        Ok(())
    }
    observe();
    let Some(pool) = pool_of(1).await else { return };
    let mut polls = 0;
    while poll_at_most(polls, is_given_up(&pool)).await.is_none() {
        polls += 1;
    }
    let held = pool.acquire().await.unwrap();
    for polls in 0..3 {
        assert!(poll_at_most(polls, is_given_up(&pool)).await.is_none());
    }
    drop(held);
    pool.assert_told();
    let told = pool.told();
    // The last two have begun to wait.
    assert!(told.waits["abandoned"] >= 2, "{told:?}");
    let of_texts = assert_told_of(&here!("given_up_at_every_poll::is_given_up"));
    assert_eq!(of_texts[BY_ID].ok, 1);
}

/// A statement that the database still runs: it waits for another transaction.
#[tokio::test]
async fn given_up_while_it_runs() {
    const UPDATE: &str = "UPDATE exam SET name = 'y'";

    #[track]
    async fn runs(connection: &mut PoolConnection<Db>) -> sqlx::Result<()> {
        sqlx::query(UPDATE).execute(&mut **connection).await?;
        Ok(())
    }
    observe();
    let Some(pool) = pool_of(2).await else { return };
    pool.execute(INSERT).await.unwrap();
    let mut connection = pool.acquire().await.unwrap();
    let mut other = pool.begin().await.unwrap();
    other.execute(UPDATE).await.unwrap();
    assert!(poll_at_most(1, runs(&mut connection)).await.is_none());
    other.rollback().await.unwrap();
    drop(connection);
    let of_texts = assert_told_of(&here!("given_up_while_it_runs::runs"));
    assert_eq!((of_texts[UPDATE].ok, of_texts[UPDATE].cancelled), (0, 1));
    pool.assert_told();
    let closed = pool.told().closed.get("cancelled").copied();
    assert_eq!(closed, (!GOES_ON).then_some(1));
}
