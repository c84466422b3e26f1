//! Every operation, given up after each of its polls, and in every way in which a task gives up: the counters balance,
//! nothing stays behind, and the pool is whole.

use std::fmt::Display;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures::future::{BoxFuture, poll_fn};
use futures::{FutureExt, StreamExt, TryStreamExt};
use sqlx::leash::Activity;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{Acquire, AssertSqlSafe, Connection, Executor, SqlSafeStr, track};
use tokio::task::yield_now;

use super::{BEGIN_WAITING, BY_ID, Db, GOES_ON, pool_of};
use crate::common::{HUNDRED, TestPool, poll_at_most, poll_until, rows_of};
use crate::whole::assert_whole;

pub(super) type Pool = sqlx::Pool<Db>;
pub(super) type Operation = fn(&Pool) -> BoxFuture<'_, sqlx::Result<()>>;

const INSERT: &str = "INSERT INTO exam (name) VALUES ('x')";
const SELECT: &str = "SELECT * FROM exam";

/// No operation has more polls than this, however its answers arrive.
const MOST: usize = 1_000;

/// What must hold when something was given up.
async fn look(pool: &TestPool<Db>, function: &str, after: &dyn Display) {
    for row in rows_of(function.trim_start_matches("behaviour::")) {
        assert_eq!(
            row.calls,
            row.ok + row.errors + row.cancelled,
            "after {after}: {row:?}"
        );
        assert_eq!(row.time.count, row.calls, "after {after}: {row:?}");
    }
    assert_whole(pool, &after.to_string()).await;
}

/// Gives each operation up after each number of polls, until it is fast enough to end: alone, and inside a tracked
/// function of the given name.
pub(super) async fn at_every_poll(
    operations: &[(&str, Operation)],
    function: &str,
    tracked: fn(Operation, &Pool) -> BoxFuture<'_, sqlx::Result<()>>,
) {
    let Some(pool) = pool_of(2).await else { return };
    for (name, operation) in operations {
        for inside in [false, true] {
            let mut polls = 0;
            loop {
                let future = if inside {
                    tracked(*operation, &pool)
                } else {
                    operation(&pool)
                };
                let ended = poll_at_most(polls, future).await;
                look(&pool, function, &format_args!("{polls} polls of {name}")).await;
                if let Some(result) = ended {
                    result.unwrap_or_else(|error| panic!("{name}, poll {polls}: {error}"));
                    break;
                }
                polls += 1;
                assert!(polls < MOST, "{name} never ends");
            }
        }
    }
    // Whoever waits for a permit gives up as well.
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(pool.acquire().await.unwrap());
    }
    for (name, operation) in operations {
        for polls in 0..2 {
            if let Some(result) = poll_at_most(polls, tracked(*operation, &pool)).await {
                // `try_…` does not wait.
                result.unwrap_or_else(|error| panic!("{name}: {error}"));
            }
            let stats = pool.stats();
            assert_eq!(
                (stats.handles, stats.waiting),
                (2, 0),
                "{name} given up while waiting"
            );
        }
    }
    drop(held);
    look(&pool, function, &"the waits").await;
}

/// A test of operations, each of them a function of the pool.
macro_rules! given_up {
    ($test:ident: $($name:literal => |$pool:ident| $body:block)*) => {
        #[tokio::test]
        async fn $test() {
            #[track]
            fn tracked(
                operation: Operation,
                pool: &Pool,
            ) -> futures::future::BoxFuture<'_, sqlx::Result<()>> {
                Box::pin(async move { operation(pool).await })
            }
            let operations: &[(&str, Operation)] = &[
                $(($name, |$pool| Box::pin(async move {
                    $body;
                    Ok(())
                })),)*
            ];
            let function = concat!(module_path!(), "::", stringify!($test), "::tracked");
            at_every_poll(operations, function, tracked).await;
        }
    };
}

given_up!(the_pool:
    "acquire" => |pool| { pool.acquire().await? }
    "acquire, by the trait" => |pool| { Acquire::acquire(pool).await? }
    "begin" => |pool| { pool.begin().await? }
    "begin, by the trait" => |pool| { Acquire::begin(pool).await? }
    "begin and commit" => |pool| { pool.begin().await?.commit().await? }
    "begin and rollback" => |pool| { pool.begin().await?.rollback().await? }
    "try_begin" => |pool| { pool.try_begin().await? }
    "begin_with" => |pool| { pool.begin_with("BEGIN").await? }
    "try_begin_with" => |pool| { pool.try_begin_with("BEGIN").await? }
    "close of a connection" => |pool| { pool.acquire().await?.close().await? }
);

given_up!(statements_on_the_pool:
    "execute" => |pool| { pool.execute(INSERT).await? }
    "execute_many" => |pool| { pool.execute_many(INSERT).try_collect::<Vec<_>>().await? }
    "fetch" => |pool| { pool.fetch(HUNDRED).try_collect::<Vec<_>>().await? }
    "fetch, one row of it" => |pool| { pool.fetch(HUNDRED).try_next().await? }
    "fetch_many" => |pool| { pool.fetch_many(HUNDRED).try_collect::<Vec<_>>().await? }
    "fetch_all" => |pool| { pool.fetch_all(HUNDRED).await? }
    "fetch_one" => |pool| { pool.fetch_one(HUNDRED).await? }
    "fetch_optional" => |pool| { pool.fetch_optional(SELECT).await? }
    "an error" => |pool| { pool.execute("SELECT * FROM nowhere").await.map(drop).unwrap_err() }
    "prepare" => |pool| { pool.prepare(SELECT.into_sql_str()).await? }
    "prepare_with" => |pool| { pool.prepare_with(SELECT.into_sql_str(), &[]).await? }
    "describe" => |pool| { pool.describe(SELECT.into_sql_str()).await? }
    "a query" => |pool| { sqlx::query(BY_ID).bind(1_i64).fetch_optional(pool).await? }
    "a stream of a query" => |pool| { sqlx::query(HUNDRED).fetch(pool).count().await }
    "several statements" => |pool| {
        sqlx::raw_sql("INSERT INTO exam (name) VALUES ('a'); SELECT * FROM exam").execute(pool).await?
    }
);

given_up!(statements_on_a_connection:
    "execute" => |pool| { pool.acquire().await?.execute(INSERT).await? }
    "execute_many" => |pool| {
        pool.acquire().await?.execute_many(INSERT).try_collect::<Vec<_>>().await?
    }
    "fetch" => |pool| { pool.acquire().await?.fetch(HUNDRED).try_collect::<Vec<_>>().await? }
    "fetch, one row of it" => |pool| { pool.acquire().await?.fetch(HUNDRED).try_next().await? }
    "fetch_many" => |pool| {
        pool.acquire().await?.fetch_many(HUNDRED).try_collect::<Vec<_>>().await?
    }
    "fetch_all" => |pool| { pool.acquire().await?.fetch_all(HUNDRED).await? }
    "fetch_one" => |pool| { pool.acquire().await?.fetch_one(HUNDRED).await? }
    "fetch_optional" => |pool| { pool.acquire().await?.fetch_optional(SELECT).await? }
    "prepare" => |pool| { pool.acquire().await?.prepare(SELECT.into_sql_str()).await? }
    "prepare_with" => |pool| { pool.acquire().await?.prepare_with(SELECT.into_sql_str(), &[]).await? }
    "describe" => |pool| { pool.acquire().await?.describe(SELECT.into_sql_str()).await? }
    "a query" => |pool| {
        let mut connection = pool.acquire().await?;
        sqlx::query(BY_ID).bind(1_i64).fetch_optional(&mut *connection).await?
    }
    "two queries" => |pool| {
        let mut connection = pool.acquire().await?;
        sqlx::query(HUNDRED).fetch(&mut *connection).try_next().await?;
        sqlx::query(BY_ID).bind(1_i64).fetch_all(&mut *connection).await?
    }
);

given_up!(statements_in_a_transaction:
    "execute" => |pool| { pool.begin().await?.execute(INSERT).await? }
    "execute_many" => |pool| {
        pool.begin().await?.execute_many(INSERT).try_collect::<Vec<_>>().await?
    }
    "fetch" => |pool| { pool.begin().await?.fetch(HUNDRED).try_collect::<Vec<_>>().await? }
    "fetch, one row of it" => |pool| { pool.begin().await?.fetch(HUNDRED).try_next().await? }
    "fetch_many" => |pool| {
        pool.begin().await?.fetch_many(HUNDRED).try_collect::<Vec<_>>().await?
    }
    "fetch_all" => |pool| { pool.begin().await?.fetch_all(HUNDRED).await? }
    "fetch_one" => |pool| { pool.begin().await?.fetch_one(HUNDRED).await? }
    "fetch_optional" => |pool| { pool.begin().await?.fetch_optional(SELECT).await? }
    "prepare" => |pool| { pool.begin().await?.prepare(SELECT.into_sql_str()).await? }
    "prepare_with" => |pool| { pool.begin().await?.prepare_with(SELECT.into_sql_str(), &[]).await? }
    "describe" => |pool| { pool.begin().await?.describe(SELECT.into_sql_str()).await? }
    "a query" => |pool| {
        let mut tx = pool.begin().await?;
        sqlx::query(BY_ID).bind(1_i64).fetch_optional(&mut *tx).await?;
        tx.commit().await?;
    }
    "an error" => |pool| {
        let mut tx = pool.begin().await?;
        tx.execute("SELECT * FROM nowhere").await.map(drop).unwrap_err();
        tx.rollback().await?;
    }
);

given_up!(a_connection:
    "begin" => |pool| {
        let mut connection = pool.acquire().await?;
        drop(connection.begin().await?);
    }
    "begin and commit" => |pool| { pool.acquire().await?.begin().await?.commit().await? }
    "begin and rollback" => |pool| { pool.acquire().await?.begin().await?.rollback().await? }
    "begin_with" => |pool| {
        let mut connection = pool.acquire().await?;
        drop(connection.begin_with("BEGIN").await?);
    }
    "begin, by the trait" => |pool| {
        let mut connection = pool.acquire().await?;
        Acquire::begin(&mut connection).await?.commit().await?;
    }
    "transaction" => |pool| {
        pool.acquire()
            .await?
            .transaction(|tx| Box::pin(async move { tx.execute(INSERT).await.map(drop) }))
            .await?;
    }
    "transaction that fails" => |pool| {
        pool.acquire()
            .await?
            .transaction(|tx| {
                Box::pin(async move { tx.execute("SELECT * FROM nowhere").await.map(drop) })
            })
            .await
            .unwrap_err()
    }
    "ping" => |pool| { pool.acquire().await?.ping().await? }
    "clear_cached_statements" => |pool| {
        let mut connection = pool.acquire().await?;
        sqlx::query(BY_ID).bind(1_i64).fetch_optional(&mut *connection).await?;
        connection.clear_cached_statements().await?;
    }
    "detach and close" => |pool| { Connection::close(pool.acquire().await?.detach()).await? }
);

given_up!(savepoints:
    "one" => |pool| {
        let mut tx = pool.begin().await?;
        let mut savepoint = tx.begin().await?;
        savepoint.execute(INSERT).await?;
        savepoint.commit().await?;
        tx.commit().await?;
    }
    "one taken back" => |pool| {
        let mut tx = pool.begin().await?;
        let mut savepoint = tx.begin().await?;
        savepoint.execute(INSERT).await?;
        savepoint.rollback().await?;
        tx.commit().await?;
    }
    "two" => |pool| {
        let mut tx = pool.begin().await?;
        let mut outer = tx.begin().await?;
        let mut inner = outer.begin().await?;
        inner.execute(INSERT).await?;
        drop(inner);
        outer.commit().await?;
        tx.rollback().await?;
    }
    "by the trait" => |pool| {
        let mut tx = pool.begin().await?;
        Acquire::begin(&mut tx).await?.rollback().await?;
        tx.commit().await?;
    }
);

/// A connection whose operation was given up goes on, as it does with sqlx.
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

/// The published recipe: a `begin` given up must not leave its transaction to whoever has the connection next.
///
/// transact-rs/sqlx#4393
#[tokio::test]
async fn the_next_borrower_is_outside_the_transaction_that_was_given_up() {
    let Some(pool) = pool_of(1).await else { return };
    for polls in 0..MOST {
        let ended = poll_at_most(polls, pool.begin()).await.is_some();
        // One error inside a transaction and PostgreSQL refuses all that comes after it.
        pool.execute("SELECT * FROM nowhere")
            .await
            .map(drop)
            .unwrap_err();
        pool.execute(SELECT)
            .await
            .unwrap_or_else(|error| panic!("{polls} polls poisoned the pool: {error}"));
        // What is written is written, whatever happens to the connection.
        pool.execute(INSERT).await.unwrap();
        pool.acquire().await.unwrap().close().await.unwrap();
        let written: i64 = sqlx::query_scalar("SELECT count(*) FROM exam")
            .fetch_one(&*pool)
            .await
            .unwrap();
        assert_eq!(
            usize::try_from(written).unwrap(),
            polls + 1,
            "{polls} polls took a statement back"
        );
        assert_whole(&pool, "a begin given up").await;
        if ended {
            return;
        }
    }
    panic!("it never ends");
}

/// The same, and certainly while the answer is awaited: the server has begun, and lets the rest wait for a lock.
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
        assert_whole(&pool, "a begin given up while it waited").await;
    }
}

/// Several of everything, with a place to give up at after each, however fast the database answers.
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

/// Calls `give_up` with each number of polls until it says that everything came to its end.
async fn until_it_ends(pool: &TestPool<Db>, how: &str, give_up: impl AsyncFn(usize) -> bool) {
    let mut polls = 0;
    while !give_up(polls).await {
        assert_whole(pool, &format!("{how} at poll {polls}")).await;
        polls += 1;
        assert!(polls < MOST, "it never ends");
    }
    assert!(polls > 8, "{how} at several places: {polls}");
    assert_whole(pool, how).await;
}

/// Ready when it is polled for the nth time, for any reason.
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

/// In a module each, because a task's functions are looked at by their rows.
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

/// A panic beside everything, in the tracked function that polls it.
#[track]
async fn panics_at(polls: usize, pool: &Pool) {
    let mut everything = pin!(everything(pool));
    let mut left = polls;
    poll_fn(|cx| {
        if left == 0 {
            // Unwinds like a panic, and prints nothing.
            std::panic::resume_unwind(Box::new("as tested"));
        }
        left -= 1;
        everything.as_mut().poll(cx).map(Result::unwrap)
    })
    .await;
}

/// Time decides where; whatever it decides, nothing stays behind.
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

/// The functions of the ways above have run in many tests at once; together they balance when nothing runs.
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
    // How often, is the database's to say; that row streams are left half-way, the function's.
    assert!(
        rows.iter().any(|row| row.cancelled > 0),
        "some were given up while they ran: {rows:?}"
    );
}

/// A pool that closes does not wait for who gave up waiting for it.
#[tokio::test]
async fn close() {
    for polls in 0..2 {
        let Some(pool) = pool_of(2).await else { return };
        let held = pool.acquire().await.unwrap();
        assert!(poll_at_most(polls, pool.close()).await.is_none());
        assert!(pool.is_closed(), "closing begins with the call");
        let error = pool.acquire().await.map(drop).unwrap_err();
        assert!(matches!(error, sqlx::Error::PoolClosed), "{error}");
        drop(held);
        pool.close().await;
        pool.assert_empty();
        assert_eq!(pool.stats().size, 0);
    }
}

/// A migrator takes its connection by sqlx's own trait, and begins sqlx's own transactions on it.
#[tokio::test]
async fn migrations() {
    let Some(pool) = pool_of(2).await else { return };
    let mut migrator = Migrator::with_migrations(vec![Migration::new(
        1,
        "a table".into(),
        MigrationType::Simple,
        "CREATE TABLE migrated (id BIGINT PRIMARY KEY)".into_sql_str(),
        false,
    )]);
    // The lock is the session's: with sqlx, too, who gives up leaves it to whoever has the connection next.
    migrator.set_locking(false);
    for polls in 0..MOST {
        for table in ["migrated", "_sqlx_migrations"] {
            let sql = format!("DROP TABLE IF EXISTS {table}");
            pool.execute(AssertSqlSafe(sql)).await.unwrap();
        }
        let ended = poll_at_most(polls, migrator.run(&*pool)).await;
        assert_whole(&pool, &format!("{polls} polls of a migration")).await;
        if let Some(result) = ended {
            result.unwrap();
            return;
        }
    }
    panic!("it never ends");
}

/// A runtime that is dropped takes its tasks along, wherever they are; the pool serves others.
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
            // What the runtime opened went with it, and sqlx's ping may be too quick to notice.
            for _ in 0..2 {
                let opened = pool.acquire().await.unwrap();
                let _ = opened.close().await;
            }
            assert_whole(&pool, &format!("a shutdown after {yields} yields")).await;
        }
    }
}
