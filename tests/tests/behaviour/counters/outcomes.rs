//! The outcomes of calls, and statements that are no call.

use futures::{StreamExt, TryStreamExt};
use sqlx::leash::{self, Activity, ControlStats};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Connection, Executor, SqlSafeStr, SqlitePool, track};
use tokio::sync::oneshot;
use tokio::time::Duration;

use crate::common::{HUNDRED, connect_with, poll_at_most, pool, pool_of, rows_of, until};

use super::{INSERT, check};

#[tokio::test]
async fn errors_of_the_database() {
    #[track]
    async fn wrong(pool: &SqlitePool) {
        sqlx::query("SELEC 1").execute(pool).await.unwrap_err();
        sqlx::query("SELECT no_such_column")
            .fetch_one(pool)
            .await
            .unwrap_err();
        sqlx::query("INSERT INTO exam VALUES (1, NULL)")
            .execute(pool)
            .await
            .unwrap_err();
        sqlx::query("INSERT INTO no_such_table VALUES (1)")
            .fetch_optional(pool)
            .await
            .unwrap_err();
        sqlx::query("SELECT 1 FROM no_such_table")
            .fetch_all(pool)
            .await
            .unwrap_err();
        sqlx::query("SELECT 2 FROM no_such_table")
            .fetch(pool)
            .next()
            .await
            .unwrap()
            .unwrap_err();
        // The statement succeeds; decoding the row fails.
        sqlx::query_scalar::<_, i64>("SELECT 'text'")
            .fetch_one(pool)
            .await
            .unwrap_err();
    }
    let pool = pool().await;
    wrong(&pool).await;
    let failed = (1, 0, 1, 0, 0, 0);
    check(
        "errors_of_the_database::wrong",
        &[
            failed,
            failed,
            failed,
            failed,
            failed,
            failed,
            (1, 1, 0, 0, 1, 0),
        ],
    );
}

#[tokio::test]
async fn a_statement_that_was_not_sent_is_no_call() {
    #[track]
    async fn waits(pool: &SqlitePool) -> sqlx::Result<()> {
        sqlx::query(INSERT).execute(pool).await?;
        Ok(())
    }
    #[track]
    async fn waits_in_stream(pool: &SqlitePool) -> Option<sqlx::Result<()>> {
        let row = sqlx::query(HUNDRED).fetch(pool).next().await?;
        Some(row.map(drop))
    }
    let pool = pool_of(1).await;
    let held = pool.acquire().await.unwrap();
    let earlier = pool.stats();
    // With a paused clock the timeout comes at once.
    tokio::time::pause();
    let error = waits(&pool).await.unwrap_err();
    assert!(matches!(error, sqlx::Error::PoolTimedOut), "{error}");
    let error = waits_in_stream(&pool).await.unwrap().unwrap_err();
    assert!(matches!(error, sqlx::Error::PoolTimedOut), "{error}");
    tokio::time::resume();
    assert!(poll_at_most(1, waits(&pool)).await.is_none());
    assert!(poll_at_most(1, waits_in_stream(&pool)).await.is_none());
    drop(waits(&pool));
    check("a_statement_that_was_not_sent_is_no_call::waits", &[]);
    check(
        "a_statement_that_was_not_sent_is_no_call::waits_in_stream",
        &[],
    );
    let stats = pool.stats();
    assert_eq!(
        (
            stats.timeouts - earlier.timeouts,
            stats.abandoned - earlier.abandoned
        ),
        (2, 2)
    );
    drop(held);
    pool.close().await;
    waits(&pool).await.unwrap_err();
    assert_eq!(pool.stats().acquire_errors - earlier.acquire_errors, 1);
    check("a_statement_that_was_not_sent_is_no_call::waits", &[]);
    pool.assert_empty();
}

#[tokio::test]
async fn in_flight_while_it_runs() {
    #[track]
    async fn blocked(pool: &SqlitePool) -> sqlx::Result<()> {
        sqlx::query(INSERT).execute(pool).await?;
        Ok(())
    }
    #[track]
    async fn open(pool: &SqlitePool, go_on: oneshot::Receiver<()>) -> sqlx::Result<()> {
        let mut rows = sqlx::query(HUNDRED).fetch(pool);
        rows.try_next().await?;
        go_on.await.unwrap();
        assert_eq!(rows.count().await, 99);
        Ok(())
    }
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteConnectOptions::new()
        .filename(folder.path().join("exams.db"))
        .create_if_missing(true)
        .busy_timeout(Duration::from_mins(10));
    let pool = connect_with(SqlitePoolOptions::new().max_connections(2), options).await;

    // Open both connections now: opening one later would wait for the file as well.
    drop((pool.acquire().await.unwrap(), pool.acquire().await.unwrap()));

    // The exclusive transaction blocks other connections in the middle of their statements.
    for given_up in [true, false] {
        pool.has_idle(2).await;
        let exclusive = pool.begin_with("BEGIN EXCLUSIVE").await.unwrap();
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
        let row = rows_of("counters::outcomes::in_flight_while_it_runs::blocked").remove(0);
        assert_eq!(row.in_flight(), 1, "{row:?}");
        if given_up {
            waiting.abort();
            assert!(waiting.await.unwrap_err().is_cancelled());
            exclusive.rollback().await.unwrap();
        } else {
            exclusive.rollback().await.unwrap();
            waiting.await.unwrap().unwrap();
        }
    }
    let row = rows_of("counters::outcomes::in_flight_while_it_runs::blocked").remove(0);
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
    let rows = rows_of("counters::outcomes::in_flight_while_it_runs::open");
    assert_eq!((rows[0].calls, rows[0].in_flight()), (1, 1));
    go_on.send(()).unwrap();
    reader.await.unwrap().unwrap();
    check("in_flight_while_it_runs::open", &[(1, 1, 0, 0, 100, 0)]);
    pool.assert_empty();
}

#[tokio::test]
async fn transaction_control_is_counted_separately() {
    #[track]
    async fn transactions(pool: &SqlitePool) -> sqlx::Result<()> {
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
        connection.prepare("SELECT 1".into_sql_str()).await?;
        connection.describe("SELECT 1".into_sql_str()).await?;
        pool.describe("SELECT 1".into_sql_str()).await?;
        connection
            .transaction(|tx| Box::pin(async move { tx.execute(INSERT).await.map(drop) }))
            .await
    }
    let pool = pool().await;
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
    pool.assert_empty();
}
