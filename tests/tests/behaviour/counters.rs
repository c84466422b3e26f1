//! Counters are exact: what is a call, how it ended, and what it read and wrote.

use futures::future::BoxFuture;
use futures::stream::{BoxStream, FuturesUnordered};
use futures::{StreamExt, TryStreamExt};
use sqlx::leash::{self, Activity, ControlStats};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqlitePoolOptions, SqliteRow};
use sqlx::{
    Connection, Database, Describe, Either, Execute, Executor, FromRow, QueryBuilder, Row,
    SqlSafeStr, SqlStr, Sqlite, SqliteExecutor, SqlitePool, Statement, track,
};
use tokio::sync::oneshot;
use tokio::time::Duration;

use crate::common::{
    HUNDRED, Sums, TestPool, check_sums, connect_with, poll_at_most, pool, pool_of, rows_of, until,
};

const INSERT: &str = "INSERT INTO exam (name) VALUES ('x')";

/// The places of `counters::function`, in the order of their lines, have counted this.
#[track_caller]
fn check(function: &str, expected: &[Sums]) {
    check_sums(&format!("counters::{function}"), expected);
}

#[tokio::test]
#[expect(deprecated, reason = "people use `fetch_many`")]
async fn by_method() {
    #[track]
    async fn methods(pool: &SqlitePool) -> sqlx::Result<()> {
        sqlx::query(INSERT).execute(pool).await?;
        sqlx::query("INSERT INTO exam (name) VALUES ('a'), ('b'), ('c')")
            .execute(pool)
            .await?;
        sqlx::query("UPDATE exam SET name = 'z' WHERE id > 2")
            .execute(pool)
            .await?;
        sqlx::query("SELECT * FROM exam").execute(pool).await?;
        sqlx::query("SELECT * FROM exam WHERE id = ?")
            .bind(1)
            .fetch_one(pool)
            .await?;
        sqlx::query("SELECT * FROM exam WHERE id = -1")
            .fetch_one(pool)
            .await
            .unwrap_err();
        sqlx::query("SELECT * FROM exam WHERE id = 2")
            .fetch_optional(pool)
            .await?
            .unwrap();
        assert!(
            sqlx::query("SELECT * FROM exam WHERE id = -2")
                .fetch_optional(pool)
                .await?
                .is_none()
        );
        sqlx::query("SELECT * FROM exam").fetch_all(pool).await?;
        sqlx::query("DELETE FROM exam WHERE id = 1 RETURNING id")
            .fetch_all(pool)
            .await?;
        sqlx::query("SELECT * FROM exam WHERE id > 2")
            .fetch_many(pool)
            .try_collect::<Vec<_>>()
            .await?;
        Ok(())
    }
    let pool = pool().await;
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
            (1, 1, 0, 0, 1, 1),
            (1, 1, 0, 0, 2, 0),
        ],
    );
}

#[tokio::test]
async fn by_stream() {
    #[track]
    async fn complete(pool: &SqlitePool) -> usize {
        sqlx::query(HUNDRED).fetch(pool).count().await
    }
    #[track]
    async fn half(pool: &SqlitePool) -> sqlx::Result<()> {
        let mut rows = sqlx::query(HUNDRED).fetch(pool);
        for _ in 0..40 {
            rows.try_next().await?.unwrap();
        }
        Ok(())
    }
    #[track]
    async fn never_polled(pool: &SqlitePool) {
        drop(sqlx::query(HUNDRED).fetch(pool));
        drop(sqlx::query(HUNDRED).fetch_all(pool));
        drop(pool.execute(INSERT));
    }
    #[track]
    async fn breaks_in_the_middle(pool: &SqlitePool) -> usize {
        // The sum overflows at the third row.
        let sql = "WITH RECURSIVE n(i) AS (SELECT 9223372036854775805 UNION ALL SELECT i + 1 FROM n WHERE typeof(i) = 'integer') \
                   SELECT abs(CASE WHEN i = 9223372036854775807 THEN -9223372036854775807 - 1 ELSE i END) FROM n";
        let mut rows = sqlx::query(sql).fetch(pool);
        let mut read = 0;
        while let Some(row) = rows.next().await {
            match row {
                Ok(_) => read += 1,
                Err(_) => return read,
            }
        }
        unreachable!("it breaks");
    }
    #[track]
    async fn on_a_connection(pool: &SqlitePool) -> sqlx::Result<()> {
        let mut connection = pool.acquire().await?;
        sqlx::query(HUNDRED)
            .fetch(&mut *connection)
            .try_next()
            .await?;
        let all = connection.fetch(HUNDRED).count().await;
        assert_eq!(all, 100);
        Ok(())
    }
    let pool = pool().await;
    assert_eq!(complete(&pool).await, 100);
    half(&pool).await.unwrap();
    never_polled(&pool).await;
    assert_eq!(breaks_in_the_middle(&pool).await, 2);
    on_a_connection(&pool).await.unwrap();
    check("by_stream::complete", &[(1, 1, 0, 0, 100, 0)]);
    check("by_stream::half", &[(1, 0, 0, 1, 40, 0)]);
    check("by_stream::never_polled", &[]);
    check("by_stream::breaks_in_the_middle", &[(1, 0, 1, 0, 2, 0)]);
    check(
        "by_stream::on_a_connection",
        &[(1, 0, 0, 1, 1, 0), (1, 1, 0, 0, 100, 0)],
    );
}

#[tokio::test]
async fn several_statements_in_one() {
    #[track]
    async fn several(pool: &SqlitePool) -> sqlx::Result<()> {
        sqlx::raw_sql("INSERT INTO exam VALUES (1, 'a'); INSERT INTO exam VALUES (2, 'b')")
            .execute(pool)
            .await?;
        let results: Vec<_> = sqlx::raw_sql("UPDATE exam SET name = 'c'; DELETE FROM exam")
            .execute_many(pool)
            .try_collect()
            .await?;
        assert_eq!(results.len(), 2);
        let steps: Vec<_> = sqlx::raw_sql("SELECT 1; SELECT 2 UNION SELECT 3")
            .fetch_many(pool)
            .try_collect()
            .await?;
        assert_eq!(steps.len(), 5);
        pool.execute_many("INSERT INTO exam VALUES (3, 'd'); DELETE FROM exam")
            .try_collect::<Vec<_>>()
            .await?;
        Ok(())
    }
    let pool = pool().await;
    several(&pool).await.unwrap();
    check(
        "several_statements_in_one::several",
        &[
            (1, 1, 0, 0, 0, 2),
            (1, 1, 0, 0, 0, 4),
            (1, 1, 0, 0, 3, 0),
            (1, 1, 0, 0, 0, 2),
        ],
    );
}

#[derive(FromRow)]
struct Exam {
    id: i64,
    name: String,
}

#[tokio::test]
async fn by_kind_of_query() {
    #[track]
    async fn kinds(pool: &SqlitePool) -> sqlx::Result<()> {
        let exams: Vec<Exam> = sqlx::query_as("SELECT * FROM exam").fetch_all(pool).await?;
        assert_eq!((exams[0].id, &*exams[0].name), (1, "a"));
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM exam")
            .fetch_one(pool)
            .await?;
        assert_eq!(count, 2);
        let names = sqlx::query("SELECT name FROM exam")
            .map(|row: SqliteRow| row.get::<String, _>(0))
            .fetch_all(pool)
            .await?;
        assert_eq!(names, ["a", "b"]);
        let lengths = sqlx::query("SELECT name FROM exam")
            .try_map(|row: SqliteRow| row.try_get::<String, _>(0))
            .fetch(pool)
            .count()
            .await;
        assert_eq!(lengths, 2);
        let mut builder = QueryBuilder::new("SELECT * FROM exam WHERE id IN (");
        builder.separated(", ").push_bind(1).push_bind(2);
        builder.push(")").build().fetch_all(pool).await?;
        let statement = pool
            .prepare("SELECT name FROM exam WHERE id = ?".into_sql_str())
            .await?;
        statement.query().bind(1).fetch_one(pool).await?;
        let name: Option<String> = statement
            .query_scalar()
            .bind(7)
            .fetch_optional(pool)
            .await?;
        assert_eq!(name, None);
        pool.fetch_all("SELECT 1").await?;
        Ok(())
    }
    let pool = pool().await;
    pool.execute("INSERT INTO exam (name) VALUES ('a'), ('b')")
        .await
        .unwrap();
    kinds(&pool).await.unwrap();
    check(
        "by_kind_of_query::kinds",
        &[
            (1, 1, 0, 0, 2, 0),
            (1, 1, 0, 0, 1, 0),
            (1, 1, 0, 0, 2, 0),
            (1, 1, 0, 0, 2, 0),
            (1, 1, 0, 0, 2, 0),
            (1, 1, 0, 0, 1, 0),
            (1, 1, 0, 0, 0, 0),
            (1, 1, 0, 0, 1, 0),
        ],
    );
    assert_eq!(pool.stats().control.prepares, 1);
}

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
        // Reading the row fails, the statement went well.
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
async fn what_never_reached_the_database_is_no_call() {
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
    // Nobody has to wait for a timeout.
    tokio::time::pause();
    let error = waits(&pool).await.unwrap_err();
    assert!(matches!(error, sqlx::Error::PoolTimedOut), "{error}");
    let error = waits_in_stream(&pool).await.unwrap().unwrap_err();
    assert!(matches!(error, sqlx::Error::PoolTimedOut), "{error}");
    tokio::time::resume();
    assert!(poll_at_most(1, waits(&pool)).await.is_none());
    assert!(poll_at_most(1, waits_in_stream(&pool)).await.is_none());
    drop(waits(&pool));
    check("what_never_reached_the_database_is_no_call::waits", &[]);
    check(
        "what_never_reached_the_database_is_no_call::waits_in_stream",
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
    check("what_never_reached_the_database_is_no_call::waits", &[]);
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

    // Opening a connection would wait for the file as well.
    drop((pool.acquire().await.unwrap(), pool.acquire().await.unwrap()));

    // Whoever has the file to itself keeps others waiting in the middle of their statement.
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
        let row = rows_of("counters::in_flight_while_it_runs::blocked").remove(0);
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
    let row = rows_of("counters::in_flight_while_it_runs::blocked").remove(0);
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
    let rows = rows_of("counters::in_flight_while_it_runs::open");
    assert_eq!((rows[0].calls, rows[0].in_flight()), (1, 1));
    go_on.send(()).unwrap();
    reader.await.unwrap().unwrap();
    check("in_flight_while_it_runs::open", &[(1, 1, 0, 0, 100, 0)]);
    pool.assert_empty();
}

#[tokio::test]
async fn what_is_sent_for_transactions_is_listed_apart() {
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
    pool.assert_empty();
}

/// An executor of the user's own, around a pool.
#[derive(Debug)]
struct Wrapper<'p>(&'p SqlitePool);

impl<'c> Executor<'c> for &'c Wrapper<'_> {
    type Database = Sqlite;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<
        'e,
        sqlx::Result<Either<<Sqlite as Database>::QueryResult, <Sqlite as Database>::Row>>,
    >
    where
        'c: 'e,
        E: 'q + Execute<'q, Sqlite>,
    {
        self.0.fetch_many(query)
    }

    fn fetch_optional<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxFuture<'e, sqlx::Result<Option<<Sqlite as Database>::Row>>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Sqlite>,
    {
        let pool = self.0;
        let (sql, arguments) = {
            let mut query = query;
            let arguments = query.take_arguments();
            (query.sql(), arguments)
        };
        Box::pin(async move {
            let arguments = arguments.map_err(sqlx::Error::Encode)?.unwrap_or_default();
            let mut connection = pool.acquire().await?;
            sqlx::query_with(sql, arguments)
                .fetch_optional(&mut *connection)
                .await
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [<Sqlite as Database>::TypeInfo],
    ) -> BoxFuture<'e, sqlx::Result<<Sqlite as Database>::Statement>>
    where
        'c: 'e,
    {
        self.0.prepare_with(sql, parameters)
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, sqlx::Result<Describe<Sqlite>>>
    where
        'c: 'e,
    {
        self.0.describe(sql)
    }
}

#[tokio::test]
async fn once_however_many_layers_see_it() {
    #[track]
    async fn generic<'e>(executor: impl SqliteExecutor<'e>) -> sqlx::Result<()> {
        sqlx::query(INSERT).execute(executor).await?;
        Ok(())
    }
    #[track]
    async fn generic_many<'e, E: Executor<'e, Database = Sqlite>>(executor: E) -> usize {
        sqlx::query(HUNDRED).fetch(executor).count().await
    }
    #[track]
    async fn generic_one<'e, E: Executor<'e, Database = Sqlite>>(executor: E) -> sqlx::Result<i64> {
        sqlx::query_scalar(HUNDRED).fetch_one(executor).await
    }
    #[track]
    async fn plain(connection: &mut SqliteConnection) -> sqlx::Result<()> {
        sqlx::query(INSERT).execute(&mut *connection).await?;
        sqlx::query(HUNDRED).fetch_all(&mut *connection).await?;
        sqlx::query(HUNDRED).fetch_optional(connection).await?;
        Ok(())
    }
    let pool = pool_of(2).await;
    let wrapper = Wrapper(&pool);
    let mut plain_connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    plain_connection
        .execute("CREATE TABLE exam (id INTEGER PRIMARY KEY, name TEXT)")
        .await
        .unwrap();
    let all = async {
        let mut tx = pool.begin().await.unwrap();
        generic(&mut *tx).await.unwrap();
        generic_one(&mut *tx).await.unwrap();
        generic_many(&mut *tx).await;
        plain(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
        let mut connection = pool.acquire().await.unwrap();
        generic(&mut *connection).await.unwrap();
        generic_one(&mut *connection).await.unwrap();
        generic_many(&mut *connection).await;
        plain(&mut connection).await.unwrap();
        drop(connection);
        generic(&*pool).await.unwrap();
        generic_one(&*pool).await.unwrap();
        generic_many(&*pool).await;
        generic(&mut plain_connection).await.unwrap();
        generic_one(&mut plain_connection).await.unwrap();
        generic_many(&mut plain_connection).await;
        plain(&mut plain_connection).await.unwrap();
        generic(&wrapper).await.unwrap();
        generic_one(&wrapper).await.unwrap();
        generic_many(&wrapper).await;
    };
    let ((), counted) = leash::testing::counting(all).await;
    check(
        "once_however_many_layers_see_it::generic",
        &[(5, 5, 0, 0, 0, 5)],
    );
    check(
        "once_however_many_layers_see_it::generic_one",
        &[(5, 5, 0, 0, 5, 0)],
    );
    check(
        "once_however_many_layers_see_it::generic_many",
        &[(5, 5, 0, 0, 500, 0)],
    );
    check(
        "once_however_many_layers_see_it::plain",
        &[(3, 3, 0, 0, 0, 3), (3, 3, 0, 0, 300, 0), (3, 3, 0, 0, 3, 0)],
    );
    assert_eq!(counted, 15 + 9);
}

/// Many tasks on few connections, some of which are given up half-way: nothing is lost, nothing counts twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn under_concurrency() {
    const TASKS: u64 = 16;
    const ROUNDS: u64 = 50;

    #[track]
    async fn one(pool: &SqlitePool, number: i64) -> i64 {
        sqlx::query_scalar("SELECT ?")
            .bind(number)
            .fetch_one(pool)
            .await
            .unwrap()
    }
    #[track]
    async fn failing(pool: &SqlitePool) {
        sqlx::query("SELECT no_such_column")
            .execute(pool)
            .await
            .unwrap_err();
    }
    #[track]
    async fn in_transaction(pool: &SqlitePool) {
        let mut tx = pool.begin().await.unwrap();
        let rows = sqlx::query(HUNDRED).fetch(&mut *tx).count().await;
        assert_eq!(rows, 100);
        tx.rollback().await.unwrap();
    }
    #[track]
    async fn given_up(pool: &SqlitePool) {
        let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) SELECT i FROM n";
        sqlx::query(sql).fetch_all(pool).await.unwrap();
    }

    let pool = pool_of(4).await;
    let mut tasks = Vec::new();
    for task in 0..TASKS {
        let pool = (*pool).clone();
        tasks.push(tokio::spawn(async move {
            for round in 0..ROUNDS {
                match (task + round) % 3 {
                    0 => {
                        tokio::join!(
                            one(&pool, 1),
                            one(&pool, 2),
                            failing(&pool),
                            in_transaction(&pool)
                        );
                    }
                    1 => {
                        let several: FuturesUnordered<_> =
                            (0..2).map(|number| one(&pool, number)).collect();
                        assert_eq!(several.count().await, 2);
                        failing(&pool).await;
                        in_transaction(&pool).await;
                    }
                    _ => {
                        let spawned = pool.clone();
                        tokio::spawn(async move {
                            one(&spawned, 3).await;
                            one(&spawned, 4).await;
                        })
                        .await
                        .unwrap();
                        failing(&pool).await;
                        in_transaction(&pool).await;
                    }
                }
                let aborted = tokio::spawn({
                    let pool = pool.clone();
                    async move { given_up(&pool).await }
                });
                if round % 2 == 0 {
                    tokio::task::yield_now().await;
                }
                aborted.abort();
                let _ = aborted.await;
                let polls = usize::try_from(round % 7).unwrap();
                poll_at_most(polls, given_up(&pool)).await;
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let rounds = TASKS * ROUNDS;
    check(
        "under_concurrency::one",
        &[(2 * rounds, 2 * rounds, 0, 0, 2 * rounds, 0)],
    );
    check(
        "under_concurrency::failing",
        &[(rounds, 0, rounds, 0, 0, 0)],
    );
    check(
        "under_concurrency::in_transaction",
        &[(rounds, rounds, 0, 0, 100 * rounds, 0)],
    );
    let given_up = rows_of("counters::under_concurrency::given_up").remove(0);
    assert_eq!(
        given_up.calls,
        given_up.ok + given_up.errors + given_up.cancelled,
        "{given_up:?}"
    );
    assert_eq!(given_up.errors, 0);
    assert!(
        given_up.cancelled > 0,
        "some were given up while they ran: {given_up:?}"
    );
    assert_eq!(given_up.in_flight(), 0);
    assert_eq!(given_up.time.count, given_up.calls);
    let control = pool.stats().control;
    assert_eq!(
        (
            control.begins,
            control.rollbacks,
            control.implicit_rollbacks
        ),
        (rounds, rounds, 0)
    );
    pool.assert_serves_all().await;
}

/// Times and buckets belong to the calls, all of them.
#[tokio::test]
async fn times_are_those_of_the_calls() {
    #[track]
    async fn timed(pool: &TestPool) {
        for _ in 0..20 {
            sqlx::query("SELECT 1").execute(&**pool).await.unwrap();
        }
    }
    let pool = pool().await;
    timed(&pool).await;
    let row = rows_of("counters::times_are_those_of_the_calls::timed").remove(0);
    let time = row.time;
    assert_eq!(
        (
            row.calls,
            time.count,
            time.buckets.iter().map(|bucket| bucket.count).sum()
        ),
        (20, 20, 20)
    );
    assert!(
        time.min <= time.p50()
            && time.p50() <= time.p95()
            && time.p95() <= time.p99()
            && time.p99() <= time.max,
        "{time:?}"
    );
    assert!(
        time.min * 20 <= time.total && time.total <= time.max * 20,
        "{time:?}"
    );
}
