//! The same statements count the same.

use futures::{StreamExt, TryStreamExt};
use sqlx::leash::{self, Activity, ControlStats};
use sqlx::{Acquire, Connection, Executor, SqlSafeStr, track};
use tokio::sync::oneshot;

use super::{BY_ID, Db, pool_of};
use crate::common::{HUNDRED, Sums, check_sums, poll_at_most, rows_of, until};

type Pool = sqlx::Pool<Db>;

const INSERT: &str = "INSERT INTO exam (name) VALUES ('x')";

fn here(function: &str) -> String {
    let module = module_path!().trim_start_matches("behaviour::");
    format!("{module}::{function}")
}

/// The places of this module's `function`, in the order of their lines, have counted this.
#[track_caller]
fn check(function: &str, expected: &[Sums]) {
    check_sums(&here(function), expected);
}

#[tokio::test]
#[expect(deprecated, reason = "people use `fetch_many`")]
async fn by_method() {
    #[track]
    async fn methods(pool: &Pool) -> sqlx::Result<()> {
        sqlx::query(INSERT).execute(pool).await?;
        sqlx::query("INSERT INTO exam (name) VALUES ('a'), ('b'), ('c')")
            .execute(pool)
            .await?;
        sqlx::query("UPDATE exam SET name = 'z' WHERE id > 2")
            .execute(pool)
            .await?;
        sqlx::query("SELECT * FROM exam").execute(pool).await?;
        sqlx::query(BY_ID).bind(1_i64).fetch_one(pool).await?;
        let nothing = sqlx::query(BY_ID).bind(-1_i64).fetch_one(pool).await;
        assert!(matches!(nothing, Err(sqlx::Error::RowNotFound)));
        let row = sqlx::query(BY_ID).bind(2_i64).fetch_optional(pool).await?;
        assert!(row.is_some());
        let row = sqlx::query(BY_ID).bind(-2_i64).fetch_optional(pool).await?;
        assert!(row.is_none());
        sqlx::query("SELECT * FROM exam").fetch_all(pool).await?;
        sqlx::query("SELECT * FROM exam WHERE id > 2")
            .fetch_many(pool)
            .try_collect::<Vec<_>>()
            .await?;
        pool.fetch_all("SELECT * FROM exam").await?;
        pool.execute("DELETE FROM exam WHERE id < 3").await?;
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM exam")
            .fetch_one(pool)
            .await?;
        assert_eq!(count, 2);
        Ok(())
    }
    let Some(pool) = pool_of(2).await else { return };
    methods(&pool).await.unwrap();
    check(
        "by_method::methods",
        &[
            (1, 1, 0, 0, 0, 1),
            (1, 1, 0, 0, 0, 3),
            (1, 1, 0, 0, 0, 2),
            (1, 1, 0, 0, 4, 0),
            (1, 1, 0, 0, 1, 0),
            (1, 1, 0, 0, 0, 0),
            (1, 1, 0, 0, 1, 0),
            (1, 1, 0, 0, 0, 0),
            (1, 1, 0, 0, 4, 0),
            (1, 1, 0, 0, 2, 0),
            (1, 1, 0, 0, 4, 0),
            (1, 1, 0, 0, 0, 2),
            (1, 1, 0, 0, 1, 0),
        ],
    );
}

#[tokio::test]
async fn by_stream() {
    #[track]
    async fn complete(pool: &Pool) -> usize {
        sqlx::query(HUNDRED).fetch(pool).count().await
    }
    #[track]
    async fn half(pool: &Pool) -> sqlx::Result<()> {
        let mut rows = sqlx::query(HUNDRED).fetch(pool);
        for _ in 0..40 {
            rows.try_next().await?.unwrap();
        }
        Ok(())
    }
    #[track]
    async fn never_polled(pool: &Pool) {
        drop(sqlx::query(HUNDRED).fetch(pool));
        drop(sqlx::query(HUNDRED).fetch_all(pool));
        drop(pool.execute(INSERT));
    }
    #[track]
    async fn on_a_connection(pool: &Pool) -> sqlx::Result<()> {
        let mut connection = pool.acquire().await?;
        sqlx::query(HUNDRED)
            .fetch(&mut *connection)
            .try_next()
            .await?;
        let all = connection.fetch(HUNDRED).count().await;
        assert_eq!(all, 100);
        Ok(())
    }
    #[track]
    async fn in_a_transaction(pool: &Pool) -> sqlx::Result<()> {
        let mut tx = pool.begin().await?;
        sqlx::query(HUNDRED).fetch(&mut *tx).try_next().await?;
        let all = tx.fetch(HUNDRED).count().await;
        assert_eq!(all, 100);
        tx.commit().await
    }
    let Some(pool) = pool_of(2).await else { return };
    assert_eq!(complete(&pool).await, 100);
    half(&pool).await.unwrap();
    never_polled(&pool).await;
    on_a_connection(&pool).await.unwrap();
    in_a_transaction(&pool).await.unwrap();
    check("by_stream::complete", &[(1, 1, 0, 0, 100, 0)]);
    check("by_stream::half", &[(1, 0, 0, 1, 40, 0)]);
    check("by_stream::never_polled", &[]);
    let first_and_all = [(1, 0, 0, 1, 1, 0), (1, 1, 0, 0, 100, 0)];
    check("by_stream::on_a_connection", &first_and_all);
    check("by_stream::in_a_transaction", &first_and_all);
    pool.assert_serves_all().await;
}

#[tokio::test]
async fn several_statements_in_one() {
    #[track]
    async fn several(pool: &Pool) -> sqlx::Result<()> {
        sqlx::raw_sql("INSERT INTO exam VALUES (1, 'a'); INSERT INTO exam VALUES (2, 'b')")
            .execute(pool)
            .await?;
        sqlx::raw_sql("UPDATE exam SET name = 'c'; DELETE FROM exam")
            .execute_many(pool)
            .try_collect::<Vec<_>>()
            .await?;
        let rows = sqlx::raw_sql("SELECT 1; SELECT 2 UNION SELECT 3")
            .fetch_all(pool)
            .await?;
        assert_eq!(rows.len(), 3);
        Ok(())
    }
    let Some(pool) = pool_of(2).await else { return };
    several(&pool).await.unwrap();
    check(
        "several_statements_in_one::several",
        &[(1, 1, 0, 0, 0, 2), (1, 1, 0, 0, 0, 4), (1, 1, 0, 0, 3, 0)],
    );
}

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
    check("errors_of_the_database::wrong", &[(1, 0, 1, 0, 0, 0); 6]);
    check(
        "errors_of_the_database::wrong_in_a_transaction",
        &[(1, 1, 0, 0, 0, 1), (1, 0, 1, 0, 0, 0), (1, 1, 0, 0, 0, 0)],
    );
    pool.assert_serves_all().await;
}

#[tokio::test]
async fn what_never_reached_the_database_is_no_call() {
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
    check("what_never_reached_the_database_is_no_call::waits", &[]);
    check(
        "what_never_reached_the_database_is_no_call::waits_in_stream",
        &[],
    );
    pool.assert_empty();
}

/// A statement that waits for a lock is in flight, until it has what it waits for or is given up.
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
        let row = rows_of(&here("in_flight_while_it_waits_for_a_lock::blocked")).remove(0);
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
    let [row] = &rows_of(&here("in_flight_while_it_waits_for_a_lock::blocked"))[..] else {
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
    check(
        "in_flight_while_it_waits_for_a_lock::open",
        &[(1, 1, 0, 0, 100, 0)],
    );
    pool.assert_serves_all().await;
}

#[tokio::test]
async fn what_is_sent_for_transactions_is_listed_apart() {
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
    assert_eq!(calls, 2, "two statements of the user's");
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
    assert_eq!(kept, 2, "what was committed is there");
}

/// What a handle says of itself while it is used.
#[tokio::test]
async fn a_handle_knows_its_depth_and_its_statements() {
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
