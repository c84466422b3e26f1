//! `implicit_rollback`: a write that is lost although all seems well.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use sqlx::leash::testing::findings;
use sqlx::leash::{self, Certainty, Finding, Level, Lint, ScopeExt};
use sqlx::mysql::MySqlPoolOptions;
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgPoolOptions;
use sqlx::{
    Acquire, Connection, MySqlPool, PgPool, Sqlite, SqliteConnection, SqlitePool,
    SqliteTransaction, track,
};
use tokio::time::timeout;

use crate::support::{
    self, Place, Says, TestPool, Tx, assert_none, declared, in_child, marked, only, pool, rendered,
};

const INSERT: &str = "INSERT INTO exam (name) VALUES ('a')";

/// The only finding is about a transaction begun there, of which `function`, declared there, has lost what was written.
#[track_caller]
fn check(found: Vec<Finding>, begun: &Place, wrote: &Place, function: &str, declared: &Place) {
    let found = only(found);
    Says {
        lint: Lint::ImplicitRollback,
        level: Level::Warn,
        certainty: Certainty::Certain,
        primary: begun.clone(),
        function: Some(&format!("findings::rollback::{function}")),
        title: &["returned without an error, and a transaction that had written was dropped"],
        related: &[
            ("what this wrote is lost", wrote.clone()),
            ("dropped in here", declared.clone()),
        ],
        facts: &["wrote last "],
        help: &["tx.commit().await?", "tx.rollback().await?"],
    }
    .check(&found);
}

/// The only finding is about a transaction begun there, and it is likely only: the note says why.
#[track_caller]
fn check_likely(found: Vec<Finding>, begun: &Place, note: &str) {
    let found = only(found);
    assert_eq!(found.lint, Lint::ImplicitRollback);
    assert_eq!(Place::from(&found.primary), *begun);
    assert_eq!(found.certainty, Certainty::Likely, "{}", found.render());
    assert!(found.notes[0].contains(note), "{}", found.render());
}

#[track]
async fn forgets_commit(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?; // @forgotten
    sqlx::query(INSERT).execute(&mut *tx).await?; // @lost
    Ok(())
}

#[tokio::test]
async fn a_forgotten_commit() {
    let pool = pool().await;
    let (result, found) = findings(forgets_commit(&pool)).await;
    result.unwrap();
    check(
        found,
        &marked("forgotten", "begin"),
        &marked("lost", "execute"),
        "forgets_commit",
        &declared("forgets_commit"),
    );
}

#[track]
async fn returns_no_result(pool: &SqlitePool) -> u32 {
    let mut tx = pool.begin().await.unwrap(); // @no result
    sqlx::query(INSERT).execute(&mut *tx).await.unwrap(); // @lost without result
    7
}

#[tokio::test]
async fn a_function_that_returns_no_result() {
    let pool = pool().await;
    let (_, found) = findings(returns_no_result(&pool)).await;
    check(
        found,
        &marked("no result", "begin"),
        &marked("lost without result", "execute"),
        "returns_no_result",
        &declared("returns_no_result"),
    );
}

#[track]
async fn says_drop(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?; // @says drop
    sqlx::query(INSERT).execute(&mut *tx).await?; // @lost by drop
    drop(tx);
    Ok(())
}

#[tokio::test]
async fn drop_is_no_rollback() {
    let pool = pool().await;
    let (_, found) = findings(says_drop(&pool)).await;
    check(
        found,
        &marked("says drop", "begin"),
        &marked("lost by drop", "execute"),
        "says_drop",
        &declared("says_drop"),
    );
}

#[track]
async fn makes_a_table(pool: &SqlitePool) {
    let mut tx = pool.begin().await.unwrap(); // @table
    sqlx::query("CREATE TABLE more (id INTEGER)") // @made
        .execute(&mut *tx)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_changed_schema_is_lost_too() {
    let pool = pool().await;
    let ((), found) = findings(makes_a_table(&pool)).await;
    let found = only(found);
    assert_eq!(Place::from(&found.primary), marked("table", "begin"));
    assert_eq!(found.facts[0].to_string(), "wrote last CREATE TABLE more");
}

#[track]
async fn returning_one(pool: &SqlitePool) {
    let mut tx = pool.begin().await.unwrap(); // @returning
    let _: (i64,) = sqlx::query_as("INSERT INTO exam (name) VALUES ('a') RETURNING id")
        .fetch_one(&mut *tx) // @returned
        .await
        .unwrap();
}

#[track]
async fn returning_scalar(pool: &SqlitePool) {
    let mut tx = pool.begin().await.unwrap(); // @returning scalar
    let _: i64 = sqlx::query_scalar("INSERT INTO exam (name) VALUES ('a') RETURNING id")
        .fetch_one(&mut *tx) // @returned scalar
        .await
        .unwrap();
}

#[track]
async fn returning_all(pool: &SqlitePool) {
    let mut tx = pool.begin().await.unwrap(); // @returning all
    sqlx::query("INSERT INTO exam (name) VALUES ('a') RETURNING id")
        .fetch_all(&mut *tx) // @returned all
        .await
        .unwrap();
}

#[track]
async fn returning_first(pool: &SqlitePool) {
    use futures::TryStreamExt;
    let mut tx = pool.begin().await.unwrap(); // @returning first
    let mut rows =
        sqlx::query("INSERT INTO exam (name) VALUES ('a'), ('b') RETURNING id").fetch(&mut *tx); // @returned first
    rows.try_next().await.unwrap().unwrap();
}

#[tokio::test]
async fn rows_that_a_write_returned() {
    let pool = pool().await;
    let ((), found) = findings(returning_one(&pool)).await;
    check(
        found,
        &marked("returning", "begin"),
        &marked("returned", "fetch_one"),
        "returning_one",
        &declared("returning_one"),
    );
    let ((), found) = findings(returning_scalar(&pool)).await;
    check(
        found,
        &marked("returning scalar", "begin"),
        &marked("returned scalar", "fetch_one"),
        "returning_scalar",
        &declared("returning_scalar"),
    );
    let ((), found) = findings(returning_all(&pool)).await;
    check(
        found,
        &marked("returning all", "begin"),
        &marked("returned all", "fetch_all"),
        "returning_all",
        &declared("returning_all"),
    );
    let ((), found) = findings(returning_first(&pool)).await;
    check(
        found,
        &marked("returning first", "begin"),
        &marked("returned first", "fetch"),
        "returning_first",
        &declared("returning_first"),
    );
}

#[track]
async fn begins_and_passes_on(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?; // @passed on
    sqlx::query(INSERT).execute(&mut *tx).await?; // @written before
    finishes(tx).await
}

#[track]
async fn finishes(_tx: Tx) -> sqlx::Result<()> {
    Ok(())
}

#[tokio::test]
async fn the_callee_that_got_it_is_judged() {
    let pool = pool().await;
    let (_, found) = findings(begins_and_passes_on(&pool)).await;
    assert_eq!(
        found[0].function.as_deref(),
        Some("findings::rollback::finishes")
    );
    check_likely(found, &marked("passed on", "begin"), "it was passed on");
}

#[track]
async fn begins(pool: &SqlitePool) -> sqlx::Result<Tx> {
    let mut tx = pool.begin().await?; // @begun for the caller
    sqlx::query(INSERT).execute(&mut *tx).await?; // @written for the caller
    Ok(tx)
}

#[track]
async fn drops_what_it_was_given(pool: &SqlitePool) -> sqlx::Result<()> {
    begins(pool).await?;
    Ok(())
}

#[track]
async fn keeps_what_it_was_given(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut tx = begins(pool).await?;
    sqlx::query("SELECT 1").execute(&mut *tx).await?;
    Ok(())
}

#[track]
async fn is_given_one_after_the_other(pool: &SqlitePool) -> sqlx::Result<()> {
    for is_wanted in [false, true] {
        let tx = begins(pool).await?;
        if is_wanted {
            tx.commit().await?;
        }
    }
    Ok(())
}

#[track]
async fn writes_in(tx: &mut Tx) -> sqlx::Result<()> {
    sqlx::query(INSERT).execute(&mut **tx).await?; // @written by a callee
    Ok(())
}

#[track]
async fn has_a_callee_write(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?; // @begun outside
    writes_in(&mut tx).await
}

#[tokio::test]
async fn across_functions() {
    let pool = pool().await;
    let (_, found) = findings(drops_what_it_was_given(&pool)).await;
    let begun = marked("begun for the caller", "begin");
    check_likely(found, &begun, "it was passed on");
    let (_, found) = findings(is_given_one_after_the_other(&pool)).await;
    check_likely(found, &begun, "in a loop");
    let (_, found) = findings(keeps_what_it_was_given(&pool)).await;
    check(
        found,
        &begun,
        &marked("written for the caller", "execute"),
        "keeps_what_it_was_given",
        &declared("keeps_what_it_was_given"),
    );
    let (_, found) = findings(has_a_callee_write(&pool)).await;
    check(
        found,
        &marked("begun outside", "begin"),
        &marked("written by a callee", "execute"),
        "has_a_callee_write",
        &declared("has_a_callee_write"),
    );
}

#[track]
async fn drops_a_savepoint(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    {
        let mut inner = tx.begin().await?; // @savepoint
        sqlx::query(INSERT).execute(&mut *inner).await?; // @lost in a savepoint
    }
    tx.commit().await
}

#[tokio::test]
async fn a_savepoint_counts_like_a_transaction() {
    let pool = pool().await;
    let (_, found) = findings(drops_a_savepoint(&pool)).await;
    let found = only(found);
    assert_eq!(Place::from(&found.primary), marked("savepoint", "begin"));
    assert!(
        found.title.contains("a savepoint that had written"),
        "{}",
        found.title
    );
    assert_eq!(
        Place::from(&found.related[0].site),
        marked("lost in a savepoint", "execute")
    );
}

#[track]
async fn drops_around_a_savepoint(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?; // @around a savepoint
    let mut inner = tx.begin().await?;
    sqlx::query(INSERT).execute(&mut *inner).await?; // @released
    inner.commit().await?;
    Ok(())
}

#[tokio::test]
async fn what_a_savepoint_released_is_lost_with_the_transaction() {
    let pool = pool().await;
    let (_, found) = findings(drops_around_a_savepoint(&pool)).await;
    check(
        found,
        &marked("around a savepoint", "begin"),
        &marked("released", "execute"),
        "drops_around_a_savepoint",
        &declared("drops_around_a_savepoint"),
    );
}

#[track]
async fn takes_a_failure_back(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?; // @around a failure
    sqlx::query(INSERT).execute(&mut *tx).await?; // @before a failure
    let mut inner = tx.begin().await?;
    assert!(fails(&mut inner).await.is_err());
    inner.rollback().await
}

#[tokio::test]
async fn a_failure_that_a_savepoint_took_back_is_no_reason() {
    let pool = pool().await;
    let (_, found) = findings(takes_a_failure_back(&pool)).await;
    check(
        found,
        &marked("around a failure", "begin"),
        &marked("before a failure", "execute"),
        "takes_a_failure_back",
        &declared("takes_a_failure_back"),
    );
}

#[track]
async fn drops_two(pool: &SqlitePool) -> sqlx::Result<()> {
    for _ in 0..2 {
        let mut tx = pool.begin().await?; // @in a loop
        sqlx::query(INSERT).execute(&mut *tx).await?;
    }
    Ok(())
}

#[tokio::test]
async fn each_is_told() {
    let pool = pool().await;
    let (_, found) = findings(drops_two(&pool)).await;
    assert_eq!(found.len(), 2, "{}", rendered(&found));
    for found in found {
        check_likely(vec![found], &marked("in a loop", "begin"), "in a loop");
    }
}

/// What leaves it to its caller whether it has failed.
async fn writes_and_returns<T>(pool: SqlitePool, value: T) -> T {
    let mut tx = pool.begin().await.unwrap();
    sqlx::query(INSERT).execute(&mut *tx).await.unwrap();
    value
}

async fn in_a_scope<T>(pool: &SqlitePool, value: T) -> Vec<Finding> {
    let work = writes_and_returns(pool.clone(), value);
    findings(leash::scope("import", work)).await.1
}

#[tokio::test]
async fn in_a_scope_by_name() {
    let pool = pool().await;
    for found in [
        in_a_scope(&pool, ()).await,
        in_a_scope(&pool, Ok::<_, sqlx::Error>(7)).await,
        in_a_scope(&pool, Some("done")).await,
        in_a_scope(&pool, [Err::<(), _>(1)]).await,
    ] {
        let found = only(found);
        assert_eq!(found.lint, Lint::ImplicitRollback);
        assert_eq!(found.function.as_deref(), Some("import"));
        assert_eq!(found.certainty, Certainty::Likely);
        assert!(found.notes[0].contains("in this scope"), "{found}");
    }
    assert_none(&in_a_scope(&pool, Err::<(), _>(sqlx::Error::RowNotFound)).await);
    assert_none(&in_a_scope(&pool, None::<Box<u8>>).await);
}

#[tokio::test]
async fn in_a_task_that_was_carried() {
    let pool = pool().await;
    let (_, found) = findings(async {
        let pool = pool.clone();
        tokio::spawn(async move { forgets_commit(&pool).await }.in_current_scope())
            .await
            .unwrap()
    })
    .await;
    check(
        found,
        &marked("forgotten", "begin"),
        &marked("lost", "execute"),
        "forgets_commit",
        &declared("forgets_commit"),
    );
}

#[track]
async fn carries(pool: &SqlitePool, last: &'static str) -> bool {
    let pool = pool.clone();
    let task = async move {
        let mut tx = pool.begin().await?; // @carried
        sqlx::query(INSERT).execute(&mut *tx).await?;
        let found = sqlx::query(last).fetch_optional(&mut *tx).await?;
        found.ok_or(sqlx::Error::RowNotFound)
    };
    tokio::spawn(task.in_current_scope()).await.unwrap().is_ok()
}

#[tokio::test]
async fn of_a_carried_task_itself() {
    let pool = pool().await;
    let (went_well, found) = findings(carries(&pool, "SELECT 1")).await;
    assert!(went_well);
    check_likely(found, &marked("carried", "begin"), "in a block");

    let (went_well, found) = findings(carries(&pool, "SELECT 1 WHERE false")).await;
    assert!(!went_well);
    assert_none(&found);
}

#[track]
async fn in_a_block(pool: &SqlitePool) -> sqlx::Result<()> {
    let attempt: sqlx::Result<()> = async {
        let mut tx = pool.begin().await?; // @in a block
        sqlx::query(INSERT).execute(&mut *tx).await?;
        Err(sqlx::Error::RowNotFound)
    }
    .await;
    assert!(attempt.is_err());
    Ok(())
}

async fn refuses(mut tx: Tx) -> Result<(), &'static str> {
    sqlx::query(INSERT).execute(&mut *tx).await.unwrap();
    Err("not today")
}

#[track]
async fn gives_away(pool: &SqlitePool) -> sqlx::Result<bool> {
    let tx = pool.begin().await?; // @given away
    Ok(refuses(tx).await.is_ok())
}

#[track]
async fn goes_on_after_a_failure(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?; // @mended
    sqlx::query(INSERT).execute(&mut *tx).await?;
    assert!(fails(&mut tx).await.is_err());
    sqlx::query(INSERT).execute(&mut *tx).await?;
    Ok(())
}

#[track]
async fn goes_on_after_a_failure_inside(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?; // @mended inside
    let mut inner = tx.begin().await?;
    sqlx::query(INSERT).execute(&mut *inner).await?;
    assert!(fails(&mut inner).await.is_err());
    inner.commit().await?;
    Ok(())
}

async fn lends(conn: &mut SqliteConnection) -> sqlx::Result<()> {
    sqlx::query("no SQL").execute(conn).await.map(drop)
}

#[track]
async fn lends_last(pool: &SqlitePool) -> sqlx::Result<bool> {
    let mut tx = pool.begin().await?; // @lent last
    sqlx::query(INSERT).execute(&mut *tx).await?;
    Ok(lends(&mut tx).await.is_ok())
}

#[track]
async fn begins_in_time(pool: &SqlitePool) -> sqlx::Result<()> {
    let begun = timeout(Duration::from_mins(1), pool.begin()).await; // @in time
    let mut tx = begun.unwrap()?;
    sqlx::query(INSERT).execute(&mut *tx).await?;
    Ok(())
}

#[tokio::test]
async fn where_an_error_may_have_been_dealt_with_it_is_likely_only() {
    let pool = pool().await;
    let (_, found) = findings(in_a_block(&pool)).await;
    check_likely(found, &marked("in a block", "begin"), "in a block");
    let (_, found) = findings(gives_away(&pool)).await;
    check_likely(found, &marked("given away", "begin"), "it was passed on");
    let (_, found) = findings(begins_in_time(&pool)).await;
    check_likely(found, &marked("in time", "begin"), "it was passed on");
    let (_, found) = findings(goes_on_after_a_failure(&pool)).await;
    check_likely(
        found,
        &marked("mended", "begin"),
        "a statement in it failed",
    );
    let (_, found) = findings(goes_on_after_a_failure_inside(&pool)).await;
    let begun = marked("mended inside", "begin");
    check_likely(found, &begun, "a statement in it failed");
    let (_, found) = findings(lends_last(&pool)).await;
    check_likely(found, &marked("lent last", "begin"), "ran unseen");
}

// What is no finding.

#[track]
async fn question_mark(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    sqlx::query(INSERT).execute(&mut *tx).await?;
    sqlx::query("no SQL").execute(&mut *tx).await?;
    tx.commit().await
}

#[track]
async fn returns_an_error(pool: &SqlitePool) -> Result<(), String> {
    let mut tx = pool.begin().await.unwrap();
    sqlx::query(INSERT).execute(&mut *tx).await.unwrap();
    Err("not today".to_owned())
}

#[track]
async fn reads(pool: &SqlitePool) {
    let mut tx = pool.begin().await.unwrap();
    let _: Vec<(i64, String)> = sqlx::query_as("SELECT id, name FROM exam")
        .fetch_all(&mut *tx)
        .await
        .unwrap();
    sqlx::query("SELECT 1").fetch_one(&mut *tx).await.unwrap();
}

#[track]
async fn touches_no_row(pool: &SqlitePool) {
    let mut tx = pool.begin().await.unwrap();
    for sql in [
        "UPDATE exam SET name = 'b' WHERE id = -1",
        "DELETE FROM exam WHERE id = -1",
        "INSERT INTO exam SELECT * FROM exam WHERE id = -1",
        "DELETE FROM exam WHERE id = -1 RETURNING id",
        "EXPLAIN QUERY PLAN DELETE FROM exam",
    ] {
        sqlx::query(sql).fetch_all(&mut *tx).await.unwrap();
        sqlx::query(sql).execute(&mut *tx).await.unwrap();
    }
}

#[track]
async fn touches_no_row_after_one_that_did(pool: &SqlitePool) {
    // On this very connection, so that the driver could mix the numbers up.
    let mut conn = pool.acquire().await.unwrap();
    sqlx::query(INSERT).execute(&mut *conn).await.unwrap();
    let mut tx = conn.begin().await.unwrap();
    sqlx::query("INSERT OR IGNORE INTO exam SELECT * FROM exam")
        .execute(&mut *tx)
        .await
        .unwrap();
}

#[track]
async fn commits(pool: &SqlitePool) {
    let mut tx = pool.begin().await.unwrap();
    sqlx::query(INSERT).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
}

#[track]
async fn rolls_back(pool: &SqlitePool) {
    let mut tx = pool.begin().await.unwrap();
    sqlx::query(INSERT).execute(&mut *tx).await.unwrap();
    tx.rollback().await.unwrap();
}

#[track]
async fn rolls_a_savepoint_back(pool: &SqlitePool) {
    let mut tx = pool.begin().await.unwrap();
    let mut inner = tx.begin().await.unwrap();
    sqlx::query(INSERT).execute(&mut *inner).await.unwrap();
    inner.rollback().await.unwrap();
}

#[track]
async fn fails_to_write(pool: &SqlitePool) {
    let mut tx = pool.begin().await.unwrap();
    let failed = sqlx::query("INSERT INTO exam (name) VALUES (NULL)")
        .execute(&mut *tx)
        .await;
    assert!(failed.is_err());
}

#[track]
async fn by_callback(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut conn = pool.acquire().await?;
    conn.transaction(|tx| {
        Box::pin(async move { sqlx::query(INSERT).execute(&mut **tx).await.map(drop) })
    })
    .await
}

#[track]
async fn by_callback_that_fails(pool: &SqlitePool) {
    let mut conn = pool.acquire().await.unwrap();
    let failed: sqlx::Result<()> = conn
        .transaction(|tx| {
            Box::pin(async move {
                sqlx::query(INSERT).execute(&mut **tx).await?;
                Err(sqlx::Error::RowNotFound)
            })
        })
        .await;
    assert!(failed.is_err());
}

/// In code that is not tracked.
async fn fails(tx: &mut SqliteTransaction<'_>) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO exam (name) VALUES (NULL)")
        .execute(&mut **tx)
        .await
        .map(drop)
}

#[track]
async fn answers_a_failure(pool: &SqlitePool) -> sqlx::Result<bool> {
    let mut tx = pool.begin().await?;
    sqlx::query(INSERT).execute(&mut *tx).await?;
    match fails(&mut tx).await {
        Ok(()) => tx.commit().await.map(|()| true),
        Err(_) => Ok(false),
    }
}

#[track]
async fn gives_a_statement_up(pool: &SqlitePool) -> sqlx::Result<bool> {
    const LONG: &str = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 300000) SELECT count(*) FROM n";
    let mut tx = pool.begin().await?;
    sqlx::query(INSERT).execute(&mut *tx).await?;
    let long = sqlx::query(LONG).execute(&mut *tx);
    if timeout(Duration::ZERO, long).await.is_err() {
        return Ok(false);
    }
    tx.commit().await.map(|()| true)
}

#[track]
async fn tries_again(pool: &SqlitePool) -> sqlx::Result<u32> {
    let mut tries = 0;
    loop {
        tries += 1;
        let mut tx = pool.begin().await?;
        sqlx::query(INSERT).execute(&mut *tx).await?;
        let last = if tries < 3 { "no SQL" } else { "SELECT 1" };
        if sqlx::query(last).execute(&mut *tx).await.is_err() {
            continue;
        }
        tx.commit().await?;
        return Ok(tries);
    }
}

#[track]
async fn leaves_out_what_fails(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    for _ in 0..2 {
        let mut inner = tx.begin().await?;
        sqlx::query(INSERT).execute(&mut *inner).await?;
        if fails(&mut inner).await.is_ok() {
            inner.commit().await?;
        }
    }
    tx.commit().await
}

#[track]
async fn gives_away_to_a_failure(pool: &SqlitePool) -> sqlx::Result<bool> {
    async fn saves(mut tx: Tx) -> sqlx::Result<()> {
        sqlx::query(INSERT).execute(&mut *tx).await?;
        fails(&mut tx).await?;
        tx.commit().await
    }
    let tx = pool.begin().await?;
    Ok(saves(tx).await.is_ok())
}

#[track]
async fn ends_by_text(pool: &SqlitePool, text: &'static str) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?; // @ended by text
    sqlx::query(INSERT).execute(&mut *tx).await?;
    sqlx::raw_sql(text).execute(&mut *tx).await?;
    Ok(())
}

/// A text may end a transaction whose value is dropped open.
#[tokio::test]
async fn ended_by_a_text() {
    let pool = pool().await;
    for text in ["COMMIT", "ROLLBACK", "SELECT 1; COMMIT"] {
        let (ended, found) = findings(ends_by_text(&pool, text)).await;
        ended.unwrap();
        assert_none(&found);
    }
    let to_a_savepoint = "SAVEPOINT a; ROLLBACK TO a";
    let (ended, found) = findings(ends_by_text(&pool, to_a_savepoint)).await;
    ended.unwrap();
    let found = only(found);
    assert_eq!(
        Place::from(&found.primary),
        marked("ended by text", "begin")
    );
}

#[tokio::test]
async fn dropped_for_a_statement_that_failed() {
    let pool = pool().await;
    let ((), found) = findings(async {
        assert!(!answers_a_failure(&pool).await.unwrap());
        assert!(!gives_a_statement_up(&pool).await.unwrap());
        assert_eq!(tries_again(&pool).await.unwrap(), 3);
        leaves_out_what_fails(&pool).await.unwrap();
        assert!(!gives_away_to_a_failure(&pool).await.unwrap());
    })
    .await;
    assert_none(&found);
}

// Not tracked.

async fn refuses_in_its_own(pool: &SqlitePool) -> Result<(), &'static str> {
    refuses(pool.begin().await.unwrap()).await
}

async fn writes_and_waits(pool: &SqlitePool) {
    let mut tx = pool.begin().await.unwrap();
    sqlx::query(INSERT).execute(&mut *tx).await.unwrap();
    std::future::pending::<()>().await;
}

async fn refuses_on(conn: &mut PoolConnection<Sqlite>) -> Result<(), &'static str> {
    let mut tx = conn.begin().await.unwrap();
    sqlx::query(INSERT).execute(&mut *tx).await.unwrap();
    Err("not today")
}

async fn takes_over(pool: &SqlitePool) -> Result<(), &'static str> {
    refuses(begins(pool).await.unwrap()).await
}

#[track]
async fn answers_a_refusal(pool: &SqlitePool) -> sqlx::Result<bool> {
    Ok(refuses_in_its_own(pool).await.is_ok())
}

#[track]
async fn counts_refusals(pool: &SqlitePool) -> usize {
    let mut refused = 0;
    for _ in 0..3 {
        if refuses_in_its_own(pool).await.is_err() {
            refused += 1;
        }
    }
    refused
}

#[track]
async fn gives_a_helper_up(pool: &TestPool) -> bool {
    let wrote = support::until("it has written", || {
        pool.handles()
            .iter()
            .any(|handle| handle.statements == 1 && handle.activity == leash::Activity::Idle)
    });
    futures::future::select(Box::pin(writes_and_waits(pool)), Box::pin(wrote)).await;
    true
}

#[track]
async fn has_a_helper_begin(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut conn = pool.acquire().await?;
    assert!(refuses_on(&mut conn).await.is_err());
    Ok(())
}

#[track]
async fn has_a_helper_take_over(pool: &SqlitePool) -> sqlx::Result<()> {
    assert!(takes_over(pool).await.is_err());
    Ok(())
}

#[track]
async fn carries_a_helper(pool: &SqlitePool) -> sqlx::Result<()> {
    let pool = pool.clone();
    let task = async move { refuses_in_its_own(&pool).await.is_err() };
    assert!(tokio::spawn(task.in_current_scope()).await.unwrap());
    Ok(())
}

#[tokio::test]
async fn dropped_in_code_that_is_not_tracked() {
    let pool = pool().await;
    let ((), found) = findings(async {
        assert!(!answers_a_refusal(&pool).await.unwrap());
        assert_eq!(counts_refusals(&pool).await, 3);
        assert!(gives_a_helper_up(&pool).await);
        has_a_helper_begin(&pool).await.unwrap();
        has_a_helper_take_over(&pool).await.unwrap();
        carries_a_helper(&pool).await.unwrap();
    })
    .await;
    assert_none(&found);
}

#[tokio::test]
async fn nothing_is_lost() {
    let pool = pool().await;
    let ((), found) = findings(async {
        assert!(question_mark(&pool).await.is_err());
        assert!(returns_an_error(&pool).await.is_err());
        reads(&pool).await;
        touches_no_row(&pool).await;
        touches_no_row_after_one_that_did(&pool).await;
        commits(&pool).await;
        rolls_back(&pool).await;
        rolls_a_savepoint_back(&pool).await;
        fails_to_write(&pool).await;
        by_callback(&pool).await.unwrap();
        by_callback_that_fails(&pool).await;
    })
    .await;
    assert_none(&found);
}

#[track]
async fn panics(pool: &SqlitePool) {
    let mut tx = pool.begin().await.unwrap();
    sqlx::query(INSERT).execute(&mut *tx).await.unwrap();
    panic!("the test wants it");
}

#[track]
async fn catches(pool: &SqlitePool) {
    let caught = AssertUnwindSafe(async {
        let mut tx = pool.begin().await.unwrap();
        sqlx::query(INSERT).execute(&mut *tx).await.unwrap();
        panic!("the test wants it");
    })
    .catch_unwind()
    .await;
    assert!(caught.is_err());
}

#[tokio::test]
async fn a_panic_takes_it_back() {
    let pool = pool().await;
    let (caught, found) = findings(AssertUnwindSafe(panics(&pool)).catch_unwind()).await;
    assert!(caught.is_err());
    assert_none(&found);
    let ((), found) = findings(catches(&pool)).await;
    assert_none(&found);
}

#[track]
async fn never_ends(pool: &SqlitePool) {
    let mut tx = pool.begin().await.unwrap();
    sqlx::query(INSERT).execute(&mut *tx).await.unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn who_is_given_up_takes_it_back() {
    let pool = pool().await;
    let (given_up, found) = findings(async {
        let wrote = support::until("it has written", || {
            pool.handles()
                .iter()
                .any(|handle| handle.statements == 1 && handle.activity == leash::Activity::Idle)
        });
        futures::future::select(Box::pin(never_ends(&pool)), Box::pin(wrote)).await;
        true
    })
    .await;
    assert!(given_up);
    assert_none(&found);
}

#[track]
async fn hands_up(pool: &SqlitePool) -> Tx {
    let mut tx = pool.begin().await.unwrap();
    sqlx::query(INSERT).execute(&mut *tx).await.unwrap();
    tx
}

#[track]
async fn commits_what_it_was_given(pool: &SqlitePool) {
    hands_up(pool).await.commit().await.unwrap();
}

#[tokio::test]
async fn what_the_caller_commits_is_not_lost() {
    let pool = pool().await;
    let ((), found) = findings(commits_what_it_was_given(&pool)).await;
    assert_none(&found);
}

#[track]
async fn says_nothing_of_its_type(pool: &SqlitePool) -> impl Sized + use<> {
    let mut tx = pool.begin().await.unwrap();
    sqlx::query(INSERT).execute(&mut *tx).await.unwrap();
    Err::<(), _>("hidden")
}

#[track]
async fn returns_what_it_is_told<T>(pool: &SqlitePool, value: T) -> T {
    let mut tx = pool.begin().await.unwrap();
    sqlx::query(INSERT).execute(&mut *tx).await.unwrap();
    value
}

#[tokio::test]
async fn what_may_be_an_error_is_not_judged() {
    let pool = pool().await;
    let (_, found) = findings(says_nothing_of_its_type(&pool)).await;
    assert_none(&found);
}

#[tokio::test]
async fn a_generic_value_is_looked_at() {
    let pool = pool().await;
    let (_, found) = findings(returns_what_it_is_told(&pool, Err::<(), _>(1))).await;
    assert_none(&found);
    let (_, found) = findings(returns_what_it_is_told(&pool, Ok::<_, ()>(1))).await;
    assert_eq!(only(found).certainty, Certainty::Certain);
}

#[track(allow(implicit_rollback, reason = "the test wants it"))]
async fn allowed(pool: &SqlitePool) {
    let mut tx = pool.begin().await.unwrap();
    sqlx::query(INSERT).execute(&mut *tx).await.unwrap();
}

#[tokio::test]
async fn allowed_by_attribute() {
    let pool = pool().await;
    let ((), found) = findings(allowed(&pool)).await;
    assert_none(&found);
}

#[test]
fn allowed_by_pool_in_the_environment() {
    let test = "rollback::allowed_by_pool_in_the_environment";
    let _ = in_child(
        test,
        "implicit_rollback=deny,implicit_rollback[scratch]=allow",
        |runtime| {
            runtime.block_on(async {
                let scratch = support::pool_named(2, "scratch").await;
                let (_, found) = findings(forgets_commit(&scratch)).await;
                assert_none(&found);
                let other = pool().await;
                let (_, found) = findings(forgets_commit(&other)).await;
                assert_eq!(only(found).level, Level::Deny);
            });
        },
    );
}

#[track(deny(implicit_rollback))]
async fn denied(pool: &SqlitePool) {
    let mut tx = pool.begin().await.unwrap(); // @denied
    sqlx::query(INSERT).execute(&mut *tx).await.unwrap();
}

#[track(deny(implicit_rollback))]
async fn denied_in_a_block(pool: &SqlitePool) {
    async {
        let mut tx = pool.begin().await.unwrap();
        sqlx::query(INSERT).execute(&mut *tx).await.unwrap();
    }
    .await;
}

#[test]
fn at_deny_the_function_panics_at_its_name() {
    let test = "rollback::at_deny_the_function_panics_at_its_name";
    let printed = in_child(test, "", |runtime| {
        runtime.block_on(async {
            let pool = pool().await;
            // What is likely only never panics.
            denied_in_a_block(&pool).await;
            let caught = AssertUnwindSafe(denied(&pool)).catch_unwind().await;
            assert_eq!(caught.is_err(), cfg!(debug_assertions));
            assert!(pool.handles().is_empty(), "the connection has gone back");
        });
    });
    if cfg!(debug_assertions) {
        let place = declared("denied");
        let at = format!(
            "panicked at {}:{}:{}:",
            place.file, place.line, place.column
        );
        assert!(printed.contains(&at), "no `{at}` in:\n{printed}");
        assert_eq!(printed.matches("panicked at").count(), 1, "{printed}");
    }
}

// Servers.

#[track]
async fn pg_makes_a_table(pool: &PgPool) {
    let mut tx = pool.begin().await.unwrap(); // @pg table
    sqlx::query("CREATE TABLE more (id INT)")
        .execute(&mut *tx)
        .await
        .unwrap();
}

#[track]
async fn pg_moves_rows(pool: &PgPool) -> sqlx::Result<i64> {
    let mut tx = pool.begin().await?; // @pg moves
    sqlx::query_scalar("WITH gone AS (DELETE FROM exam RETURNING id) SELECT count(*) FROM gone")
        .fetch_one(&mut *tx)
        .await
}

#[track]
async fn pg_returning(pool: &PgPool) -> sqlx::Result<i32> {
    let mut tx = pool.begin().await?; // @pg returning
    sqlx::query_scalar("INSERT INTO exam VALUES (1) RETURNING id")
        .fetch_one(&mut *tx) // @pg returned
        .await
}

#[track]
async fn pg_commit_that_fails(pool: &PgPool) {
    let mut tx = pool.begin().await.unwrap();
    sqlx::query("INSERT INTO twice VALUES (1), (1)")
        .execute(&mut *tx)
        .await
        .unwrap();
    // The constraint is checked now; who reads the error knows that nothing is written.
    assert!(tx.commit().await.is_err());
}

#[tokio::test]
async fn on_postgres() {
    let Some(db) = leash_test_support::postgres().await else {
        return;
    };
    let pool = PgPoolOptions::new().connect(db.url()).await.unwrap();
    let pool = TestPool::of(pool);
    sqlx::raw_sql(
        "CREATE TABLE exam (id INT); CREATE TABLE twice (id INT UNIQUE DEFERRABLE INITIALLY DEFERRED)",
    )
    .execute(&*pool)
    .await
    .unwrap();

    let ((), found) = findings(pg_makes_a_table(&pool)).await;
    assert_eq!(
        Place::from(&only(found).primary),
        marked("pg table", "begin")
    );

    let (_, found) = findings(pg_returning(&pool)).await;
    check(
        found,
        &marked("pg returning", "begin"),
        &marked("pg returned", "fetch_one"),
        "pg_returning",
        &declared("pg_returning"),
    );

    // The one row is the SELECT's: whether the DELETE found any is not known.
    let (_, found) = findings(pg_moves_rows(&pool)).await;
    let found = only(found);
    assert_eq!(Place::from(&found.primary), marked("pg moves", "begin"));
    assert_eq!(found.certainty, Certainty::Likely);

    let ((), found) = findings(pg_commit_that_fails(&pool)).await;
    assert_none(&found);
}

#[track]
async fn my_inserts(pool: &MySqlPool) {
    let mut tx = pool.begin().await.unwrap(); // @my insert
    sqlx::query("INSERT INTO exam VALUES (1)")
        .execute(&mut *tx)
        .await
        .unwrap();
}

#[track]
async fn my_makes_a_table(pool: &MySqlPool) {
    let mut tx = pool.begin().await.unwrap();
    sqlx::query("INSERT INTO exam VALUES (2)")
        .execute(&mut *tx)
        .await
        .unwrap();
    sqlx::query("CREATE TABLE more (id INT)")
        .execute(&mut *tx)
        .await
        .unwrap();
    sqlx::query("INSERT INTO exam VALUES (3)")
        .execute(&mut *tx)
        .await
        .unwrap();
}

#[track]
async fn my_makes_a_table_that_is_there(pool: &MySqlPool) {
    let mut tx = pool.begin().await.unwrap();
    sqlx::query("INSERT INTO exam VALUES (4)")
        .execute(&mut *tx)
        .await
        .unwrap();
    let failed = sqlx::query("CREATE TABLE exam (id INT)")
        .execute(&mut *tx)
        .await;
    assert!(failed.is_err());
}

#[track]
async fn my_makes_a_table_for_a_while(pool: &MySqlPool) {
    let mut tx = pool.begin().await.unwrap(); // @my temporary
    sqlx::query("INSERT INTO exam VALUES (5)")
        .execute(&mut *tx) // @my kept apart
        .await
        .unwrap();
    sqlx::query("CREATE TEMPORARY TABLE scratch (id INT)")
        .execute(&mut *tx)
        .await
        .unwrap();
}

#[tokio::test]
async fn on_mariadb_which_commits_before_it_changes_the_schema() {
    let Some(db) = leash_test_support::mysql().await else {
        return;
    };
    let pool = MySqlPoolOptions::new().connect(db.url()).await.unwrap();
    let pool = TestPool::of(pool);
    sqlx::raw_sql("CREATE TABLE exam (id INT)")
        .execute(&*pool)
        .await
        .unwrap();

    let ((), found) = findings(my_inserts(&pool)).await;
    assert_eq!(
        Place::from(&only(found).primary),
        marked("my insert", "begin")
    );

    for silent in [
        my_makes_a_table(&pool).boxed(),
        my_makes_a_table_that_is_there(&pool).boxed(),
    ] {
        let ((), found) = findings(silent).await;
        assert_none(&found);
    }

    let ((), found) = findings(my_makes_a_table_for_a_while(&pool)).await;
    check(
        found,
        &marked("my temporary", "begin"),
        &marked("my kept apart", "execute"),
        "my_makes_a_table_for_a_while",
        &declared("my_makes_a_table_for_a_while"),
    );

    // What the lint believes is what the server does.
    let mut kept: Vec<i32> = sqlx::query_scalar("SELECT id FROM exam")
        .fetch_all(&*pool)
        .await
        .unwrap();
    kept.sort_unstable();
    assert_eq!(kept, [2, 3, 4]);
}
