//! A connection that reads the rest of a dropped statement on its way back, while others wait for its permit.

use std::time::Duration;

use futures::TryStreamExt;
use leash_test_support::Db;
use leash_tests::{Cut, Fate, Proxy};
use sqlx::leash::testing::findings;
use sqlx::leash::{Backend, Certainty, Finding, Lint, Verdict};
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{MySql, MySqlPool, PgPool, Pool, Postgres, track};
use tokio::runtime::{Builder, Runtime};

use crate::common::{
    Place, TestPool, assert_helps, in_child_under, marked, only_of, received, related, reported,
    silent,
};

use super::{A_SECOND, Result, assert_verdict, place_of_waits, waits};

/// A pool of one connection through a proxy, which ends what would read for minutes.
struct World<DB: Backend> {
    pool: TestPool<DB>,
    proxy: Proxy,
    _db: Db,
}

impl World<Postgres> {
    async fn postgres() -> Option<Self> {
        let db = leash_test_support::postgres().await?;
        let server: PgConnectOptions = db.url().parse().unwrap();
        let proxy = Proxy::to(server.get_host(), server.get_port());
        let server = server.host("127.0.0.1").port(proxy.address.port());
        let options = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(A_SECOND);
        let pool = options.connect_with(server).await.unwrap();
        Some(Self {
            pool: TestPool::of(pool),
            proxy,
            _db: db,
        })
    }
}

impl World<MySql> {
    async fn mysql() -> Option<Self> {
        let db = leash_test_support::mysql().await?;
        let server: MySqlConnectOptions = db.url().parse().unwrap();
        let proxy = Proxy::to(server.get_host(), server.get_port());
        let server = server.host("127.0.0.1").port(proxy.address.port());
        let options = MySqlPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(A_SECOND);
        let pool = options.connect_with(server).await.unwrap();
        Some(Self {
            pool: TestPool::of(pool),
            proxy,
            _db: db,
        })
    }
}

impl<DB: Backend> World<DB> {
    /// The finding of an acquire that times out.
    async fn times_out(&self) -> Finding {
        let (ended, found) = findings(Box::pin(waits(&self.pool))).await;
        assert!(matches!(ended, Err(sqlx::Error::PoolTimedOut)), "{ended:?}");
        let finding = only_of(Lint::PoolTimeout, &found).clone();
        assert_eq!(Place::from(&finding.primary), place_of_waits());
        finding
    }
}

impl<DB: Backend> Drop for World<DB> {
    fn drop(&mut self) {
        self.proxy.treats(Fate::Cut(Cut::Closed));
    }
}

#[track]
async fn previews_of_postgres(pool: &PgPool) -> Result {
    let all = "SELECT generate_series(1, 1000000000), repeat('x', 200)";
    let mut rows = sqlx::query(all).fetch(pool); // @postgres rows
    assert!(rows.try_next().await?.is_some());
    Ok(())
}

#[track]
async fn previews_of_mysql(pool: &MySqlPool) -> Result {
    let all = "SELECT seq, REPEAT('x', 200) FROM seq_1_to_1000000000";
    let mut rows = sqlx::query(all).fetch(pool); // @mysql rows
    assert!(rows.try_next().await?.is_some());
    Ok(())
}

#[track]
async fn previews_in_a_transaction(pool: &PgPool) -> Result {
    let mut tx = pool.begin().await?;
    let all = "SELECT generate_series(1, 1000000000), repeat('x', 200)";
    let mut rows = sqlx::query(all).fetch(&mut *tx); // @transaction rows
    assert!(rows.try_next().await?.is_some());
    Ok(())
}

/// MySQL's driver returns the first row, and leaves the others unread.
#[track]
async fn asks_mysql_for_one(pool: &MySqlPool) -> Result {
    let all = "SELECT seq, REPEAT('x', 200) FROM seq_1_to_1000000000";
    sqlx::query(all).fetch_one(pool).await?; // @mysql one
    Ok(())
}

fn assert_says_unread(finding: &Finding, function: &str, place: &Place) {
    assert_verdict(finding, Verdict::Unaccounted, Certainty::Likely);
    let text = finding.render();
    let cause = format!("findings::timeout::unread::{function} dropped the rows of `SELECT");
    assert!(finding.cause.starts_with(&cause), "{text}");
    assert!(finding.cause.contains("after 1 row, "), "{text}");
    assert!(!text.contains("does not answer"), "{text}");
    assert!(!text.contains("return_timeout"), "{text}");
    let dropped = related(finding, place);
    assert!(dropped.label.starts_with("dropped after 1 row"), "{text}");
    assert_helps(finding, "`LIMIT 1`");
    assert_helps(finding, "conn.close().await?");
}

async fn rows_of_postgres() {
    if let Some(world) = World::postgres().await {
        previews_of_postgres(&world.pool).await.unwrap();
        let finding = world.times_out().await;
        let place = marked("postgres rows", "fetch");
        assert_says_unread(&finding, "previews_of_postgres", &place);
    }
}

async fn rows_of_mysql() {
    if let Some(world) = World::mysql().await {
        previews_of_mysql(&world.pool).await.unwrap();
        let finding = world.times_out().await;
        let place = marked("mysql rows", "fetch");
        assert_says_unread(&finding, "previews_of_mysql", &place);
    }
}

fn threads(number: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(number).enable_all().build().unwrap()
}

/// On few threads, the task that reads delays the polls of the others: that is no stall of the program's making.
#[test]
fn rows_are_read_on_by_one_of_two_threads() {
    threads(2).block_on(rows_of_postgres());
    threads(2).block_on(rows_of_mysql());
}

#[test]
fn rows_are_read_on_by_one_of_eight_threads() {
    threads(8).block_on(rows_of_postgres());
    threads(8).block_on(rows_of_mysql());
}

#[tokio::test]
async fn rows_are_read_on_by_the_only_thread() {
    rows_of_postgres().await;
    rows_of_mysql().await;
}

/// The rollback of a dropped transaction comes after the rest of the rows.
#[tokio::test]
async fn rows_are_left_unread_in_a_transaction() {
    if let Some(world) = World::postgres().await {
        previews_in_a_transaction(&world.pool).await.unwrap();
        let finding = world.times_out().await;
        let place = marked("transaction rows", "fetch");
        assert_says_unread(&finding, "previews_in_a_transaction", &place);
    }
}

#[tokio::test]
async fn one_row_of_many_is_asked_of_mysql() {
    if let Some(world) = World::mysql().await {
        asks_mysql_for_one(&world.pool).await.unwrap();
        let finding = world.times_out().await;
        let place = marked("mysql one", "fetch_one");
        assert_says_unread(&finding, "asks_mysql_for_one", &place);
    }
}

/// Near miss: rows are left unread, and then no byte comes any more.
#[tokio::test]
async fn rows_are_left_unread_and_the_server_is_silent() {
    if let Some(world) = World::postgres().await {
        previews_of_postgres(&world.pool).await.unwrap();
        world.proxy.treats(Fate::Swallowed);
        let finding = world.times_out().await;
        assert_verdict(&finding, Verdict::Unaccounted, Certainty::Likely);
        assert!(
            finding.cause.ends_with("which does not answer"),
            "{}",
            finding.cause
        );
        assert_helps(&finding, "return_timeout");
    }
}

#[track]
async fn gives_up(pool: &PgPool) {
    let slow = sqlx::query("SELECT pg_sleep(60)").execute(pool); // @given up
    let ended = tokio::time::timeout(Duration::from_millis(300), slow).await;
    assert!(ended.is_err(), "{ended:?}");
}

/// The server still runs a statement that the program has given up.
#[tokio::test]
async fn a_statement_was_given_up() {
    if let Some(world) = World::postgres().await {
        gives_up(&world.pool).await;
        let finding = world.times_out().await;
        assert_verdict(&finding, Verdict::Unaccounted, Certainty::Likely);
        let cause = "findings::timeout::unread::gives_up dropped `SELECT` before its answer came";
        assert!(finding.cause.starts_with(cause), "{}", finding.cause);
        related(&finding, &marked("given up", "execute"));
        assert_helps(&finding, "SET statement_timeout");
        assert_helps(&finding, "return_timeout=10s");
    }
}

#[track(slow_query = "200ms")]
async fn goes_on_after_a_preview(pool: &PgPool) -> Result {
    let mut conn = pool.acquire().await?;
    let all = "SELECT generate_series(1, 1000000000), repeat('x', 200)";
    let mut rows = sqlx::query(all).fetch(&mut *conn); // @rows before
    assert!(rows.try_next().await?.is_some());
    drop(rows);
    sqlx::query("SELECT 1").execute(&mut *conn).await?; // @next statement
    Ok(())
}

/// The statement is quick. What takes so long is the rest of the one before.
#[tokio::test]
async fn the_next_statement_waits_for_unread_rows() {
    if let Some(world) = World::postgres().await {
        let run = async {
            tokio::select! {
                () = reported(world.pool.name(), Lint::SlowQuery, 1) => {}
                ended = goes_on_after_a_preview(&world.pool) => panic!("{ended:?}"),
            }
        };
        let ((), found) = findings(Box::pin(run)).await;
        let finding = only_of(Lint::SlowQuery, &found);
        assert_eq!(
            Place::from(&finding.primary),
            marked("next statement", "execute")
        );
        assert_eq!(finding.certainty, Certainty::Likely);
        related(finding, &marked("rows before", "fetch"));
        assert_helps(finding, "`LIMIT 1`");
    }
}

#[track]
async fn previews_with_a_limit(pool: &PgPool) -> Result {
    let few = "SELECT generate_series(1, 1000000000) LIMIT 1";
    let mut rows = sqlx::query(few).fetch(pool);
    assert!(rows.try_next().await?.is_some());
    Ok(())
}

#[track]
async fn closes_what_it_leaves(pool: &PgPool) -> Result {
    let mut conn = pool.acquire().await?;
    let all = "SELECT generate_series(1, 1000000000), repeat('x', 200)";
    let mut rows = sqlx::query(all).fetch(&mut *conn);
    assert!(rows.try_next().await?.is_some());
    drop(rows);
    conn.close_on_drop();
    Ok(())
}

/// The corrected forms.
#[tokio::test]
async fn nothing_is_left_to_read() {
    if let Some(world) = World::postgres().await {
        silent(async {
            previews_with_a_limit(&world.pool).await.unwrap();
            waits(&world.pool).await.unwrap();
            closes_what_it_leaves(&world.pool).await.unwrap();
            waits(&world.pool).await.unwrap();
        })
        .await;
    }
}

async fn is_unaccounted<DB: Backend>(pool: &Pool<DB>, name: &str) -> Finding {
    reported(name, Lint::UnaccountedConnections, 1).await;
    let found = received(name);
    assert!(pool.size() > 0);
    only_of(Lint::UnaccountedConnections, &found).clone()
}

#[test]
fn a_return_that_reads_on_is_no_silent_server() {
    let test = "timeout::unread::a_return_that_reads_on_is_no_silent_server";
    let _ = in_child_under(test, "unaccounted_connections=1s", |runtime| {
        runtime.block_on(async {
            if let Some(world) = World::postgres().await {
                previews_of_postgres(&world.pool).await.unwrap();
                let finding = is_unaccounted(&world.pool, world.pool.name()).await;
                let said = finding.render();
                assert_eq!(finding.certainty, Certainty::Likely, "{said}");
                assert!(
                    finding.cause.contains("dropped the rows of `SELECT"),
                    "{said}"
                );
                assert!(!said.contains("return_timeout"), "{said}");
                related(&finding, &marked("postgres rows", "fetch"));
            }
        });
    });
}

#[test]
fn a_pool_that_closes_waits_for_rows_that_are_read_on() {
    let test = "timeout::unread::a_pool_that_closes_waits_for_rows_that_are_read_on";
    let _ = in_child_under(test, "close_blocked=300ms", |runtime| {
        runtime.block_on(async {
            if let Some(world) = World::postgres().await {
                previews_of_postgres(&world.pool).await.unwrap();
                // The return has begun to read when the pool is closed.
                tokio::time::sleep(Duration::from_millis(100)).await;
                tokio::select! {
                    () = world.pool.close() => panic!("it waits for the connection"),
                    () = reported(world.pool.name(), Lint::CloseBlocked, 1) => {}
                }
                let found = received(world.pool.name());
                let finding = only_of(Lint::CloseBlocked, &found);
                assert_eq!(finding.certainty, Certainty::Likely, "{}", finding.render());
                assert!(
                    finding.cause.contains("dropped the rows of `SELECT"),
                    "{}",
                    finding.cause
                );
                related(finding, &marked("postgres rows", "fetch"));
            }
        });
    });
}
