//! The outcomes of calls, statements that are no call, and the state that a handle reports meanwhile.

use futures::{StreamExt, TryStreamExt};
use sqlx::leash::{self, Activity, ControlStats};
use sqlx::{Acquire, Connection, Executor, SqlSafeStr, track};
use tokio::sync::oneshot;

use super::super::pool_of;
use crate::common::{HUNDRED, check_sums, poll_at_most, rows_of, until};

use super::{INSERT, Pool};

#[tokio::test]
async fn errors_of_the_database() {
    #[track]
    async fn wrong(pool: &Pool) {
        sqlx::query("SELEC 1").execute(pool).await.unwrap_err();
        sqlx::query("SELECT no_such_column FROM exam")
            .fetch_one(pool)
            .await
            .map(drop)
            .unwrap_err();
        sqlx::query("INSERT INTO exam VALUES (1, NULL)")
            .execute(pool)
            .await
            .unwrap_err();
        sqlx::query("SELECT 1 FROM no_such_table")
            .fetch_all(pool)
            .await
            .map(drop)
            .unwrap_err();
        sqlx::query("SELECT 2 FROM no_such_table")
            .fetch(pool)
            .next()
            .await
            .unwrap()
            .map(drop)
            .unwrap_err();
        pool.execute("SELECT 3 FROM no_such_table")
            .await
            .unwrap_err();
    }
    #[track]
    async fn wrong_in_a_transaction(pool: &Pool) -> sqlx::Result<()> {
        let mut tx = pool.begin().await?;
        sqlx::query(INSERT).execute(&mut *tx).await?;
        sqlx::query("INSERT INTO exam VALUES (1, NULL)")
            .execute(&mut *tx)
            .await
            .unwrap_err();
        tx.rollback().await?;
        sqlx::query("SELECT * FROM exam").fetch_all(pool).await?;
        Ok(())
    }
    let Some(pool) = pool_of(2).await else { return };
    wrong(&pool).await;
    wrong_in_a_transaction(&pool).await.unwrap();
    check_sums(
        &here!("errors_of_the_database::wrong"),
        &[(1, 0, 1, 0, 0, 0); 6],
    );
    check_sums(
        &here!("errors_of_the_database::wrong_in_a_transaction"),
        &[(1, 1, 0, 0, 0, 1), (1, 0, 1, 0, 0, 0), (1, 1, 0, 0, 0, 0)],
    );
    pool.assert_serves_all().await;
}

#[tokio::test]
async fn a_statement_that_was_not_sent_is_no_call() {
    #[track]
    async fn waits(pool: &Pool) -> sqlx::Result<()> {
        sqlx::query(INSERT).execute(pool).await?;
        Ok(())
    }
    #[track]
    async fn waits_in_stream(pool: &Pool) -> Option<sqlx::Result<()>> {
        let row = sqlx::query(HUNDRED).fetch(pool).next().await?;
        Some(row.map(drop))
    }
    let Some(pool) = pool_of(1).await else { return };
    let held = pool.acquire().await.unwrap();
    let earlier = pool.stats();
    assert!(poll_at_most(1, waits(&pool)).await.is_none());
    assert!(poll_at_most(1, waits_in_stream(&pool)).await.is_none());
    drop(waits(&pool));
    assert_eq!(pool.stats().abandoned - earlier.abandoned, 2);
    drop(held);
    pool.assert_serves_all().await;
    pool.close().await;
    waits(&pool).await.unwrap_err();
    assert_eq!(pool.stats().acquire_errors - earlier.acquire_errors, 1);
    check_sums(
        &here!("a_statement_that_was_not_sent_is_no_call::waits"),
        &[],
    );
    check_sums(
        &here!("a_statement_that_was_not_sent_is_no_call::waits_in_stream"),
        &[],
    );
    pool.assert_empty();
}

/// A statement that waits for a lock is in flight until it gets the lock or is cancelled.
#[tokio::test]
async fn in_flight_while_it_waits_for_a_lock() {
    #[track]
    async fn blocked(pool: &Pool) -> sqlx::Result<()> {
        sqlx::query("INSERT INTO exam VALUES (1, 'second')")
            .execute(pool)
            .await?;
        Ok(())
    }
    #[track]
    async fn open(pool: &Pool, go_on: oneshot::Receiver<()>) -> sqlx::Result<()> {
        let mut rows = sqlx::query(HUNDRED).fetch(pool);
        rows.try_next().await?;
        go_on.await.unwrap();
        assert_eq!(rows.count().await, 99);
        Ok(())
    }
    let Some(pool) = pool_of(2).await else { return };
    for given_up in [true, false] {
        let mut first = pool.begin().await.unwrap();
        first
            .execute("INSERT INTO exam VALUES (1, 'first')")
            .await
            .unwrap();
        let waiting = tokio::spawn({
            let pool = (*pool).clone();
            async move { blocked(&pool).await }
        });
        until("the statement begins", || {
            pool.handles()
                .iter()
                .any(|handle| handle.activity == Activity::Busy)
        })
        .await;
        let row = rows_of(&here!("in_flight_while_it_waits_for_a_lock::blocked")).remove(0);
        assert_eq!(row.in_flight(), 1, "{row:?}");
        if given_up {
            waiting.abort();
            assert!(waiting.await.unwrap_err().is_cancelled());
            first.commit().await.unwrap();
            pool.assert_serves_all().await;
            pool.execute("DELETE FROM exam").await.unwrap();
        } else {
            first.rollback().await.unwrap();
            waiting.await.unwrap().unwrap();
        }
    }
    let [row] = &rows_of(&here!("in_flight_while_it_waits_for_a_lock::blocked"))[..] else {
        panic!("one row");
    };
    assert_eq!(
        (row.calls, row.ok, row.cancelled, row.in_flight()),
        (2, 1, 1, 0)
    );

    let (go_on, wait) = oneshot::channel();
    let reader = tokio::spawn({
        let pool = (*pool).clone();
        async move { open(&pool, wait).await }
    });
    until("a row is read", || {
        pool.handles()
            .iter()
            .any(|handle| handle.stream_rows > 0 && handle.activity == Activity::Streaming)
    })
    .await;
    go_on.send(()).unwrap();
    reader.await.unwrap().unwrap();
    check_sums(
        &here!("in_flight_while_it_waits_for_a_lock::open"),
        &[(1, 1, 0, 0, 100, 0)],
    );
    pool.assert_serves_all().await;
}

#[tokio::test]
async fn transaction_control_is_counted_separately() {
    #[track]
    async fn transactions(pool: &Pool) -> sqlx::Result<()> {
        let mut tx = pool.begin().await?;
        sqlx::query(INSERT).execute(&mut *tx).await?;
        let mut savepoint = tx.begin().await?;
        let innermost = savepoint.begin().await?;
        innermost.rollback().await?;
        savepoint.ping().await?;
        savepoint.commit().await?;
        drop(tx.begin().await?);
        tx.commit().await?;
        let dropped = pool.begin().await?;
        drop(dropped);
        let mut connection = pool.acquire().await?;
        connection.begin().await?.rollback().await?;
        connection.ping().await?;
        connection
            .prepare("SELECT * FROM exam".into_sql_str())
            .await?;
        connection
            .describe("SELECT * FROM exam".into_sql_str())
            .await?;
        pool.describe("SELECT * FROM exam".into_sql_str()).await?;
        connection
            .transaction(|tx| Box::pin(async move { tx.execute(INSERT).await.map(drop) }))
            .await
    }
    let Some(pool) = pool_of(2).await else { return };
    let earlier = pool.stats().control;
    let ((), calls) = leash::testing::counting(async { transactions(&pool).await.unwrap() }).await;
    assert_eq!(calls, 2, "two statements of the user");
    let mut expected = ControlStats::default();
    (
        expected.begins,
        expected.savepoints,
        expected.commits,
        expected.rollbacks,
    ) = (4, 3, 3, 2);
    (
        expected.implicit_rollbacks,
        expected.pings,
        expected.prepares,
        expected.describes,
    ) = (2, 2, 1, 2);
    assert_eq!(earlier, ControlStats::default());
    assert_eq!(pool.stats().control, expected);
    pool.assert_serves_all().await;
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM exam")
        .fetch_one(&*pool)
        .await
        .unwrap();
    assert_eq!(kept, 2, "the committed rows are there");
}

/// The state that a handle reports while it is used.
#[tokio::test]
async fn a_handle_reports_its_depth_and_statements() {
    let Some(pool) = pool_of(2).await else { return };
    let depth = || pool.handles()[0].transaction_depth;
    let mut tx = pool.begin().await.unwrap();
    assert_eq!(depth(), 1);
    tx.execute(INSERT).await.unwrap();
    {
        let mut savepoint = Acquire::begin(&mut tx).await.unwrap();
        assert_eq!(depth(), 2);
        savepoint.execute(INSERT).await.unwrap();
        let innermost = savepoint.begin().await.unwrap();
        assert_eq!(depth(), 3);
        innermost.commit().await.unwrap();
        assert_eq!(depth(), 2);
        savepoint.rollback().await.unwrap();
    }
    assert_eq!(depth(), 1);
    drop(tx.begin().await.unwrap());
    assert_eq!(depth(), 1);
    let handle = pool.handles().remove(0);
    assert_eq!((handle.statements, handle.activity), (2, Activity::Idle));
    let latest: Vec<_> = handle
        .operations
        .iter()
        .map(|operation| &*operation.summary)
        .collect();
    assert_eq!(
        latest,
        ["implicit rollback", "savepoint", "rollback", "commit"]
    );
    tx.commit().await.unwrap();
    pool.assert_serves_all().await;
}
