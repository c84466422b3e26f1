//! `outside_transaction`: a query went to the pool while a transaction of it was open here or further out.

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use sqlx::leash::testing::findings;
use sqlx::leash::{Certainty, Finding, Level, Lint, ScopeExt};
use sqlx::{Acquire, SqlitePool, track};
use tokio::time::{Duration, sleep};

use crate::common::{
    assert_certainty, assert_helps, assert_primary, declared, marked, none, note_panics, only,
    panics_about, pool_of, related, said,
};

type Result = sqlx::Result<()>;

async fn found(future: impl Future<Output = Result>) -> Vec<Finding> {
    let (ended, found) = findings(Box::pin(future)).await;
    ended.unwrap();
    found
}

#[track]
async fn queries_the_pool(pool: &SqlitePool) -> Result {
    let mut tx = pool.begin().await?; // @begin
    sqlx::query("SELECT 1").execute(&mut *tx).await?;
    sqlx::query("SELECT 2").execute(pool).await?; // @query
    tx.commit().await
}

#[tokio::test]
async fn in_one_function() {
    let pool = pool_of(5).await;
    let found = found(queries_the_pool(&pool)).await;
    let finding = only(Lint::OutsideTransaction, &found);
    assert_primary(
        finding,
        &marked("query", "execute"),
        "outside::queries_the_pool",
    );
    assert_certainty(finding, Certainty::Certain);
    assert_eq!(finding.level, Level::Warn);
    assert_eq!(
        related(finding, &marked("begin", "begin")).label,
        "the transaction begins here"
    );
    assert_eq!(said(finding, "after"), "1 statement");
    assert_helps(finding, "`&mut *tx` in place of `&pool`");
    // It takes a second permit, too.
    assert_certainty(only(Lint::NestedAcquire, &found), Certainty::Certain);
    assert_eq!(found.len(), 2);
}

#[track]
async fn holds(pool: &SqlitePool) -> Result {
    let tx = pool.begin().await?; // @callee begin
    passes_on(pool).await?;
    tx.rollback().await
}

#[track]
async fn passes_on(pool: &SqlitePool) -> Result {
    queries(pool).await
}

#[track]
async fn queries(pool: &SqlitePool) -> Result {
    sqlx::query("SELECT 1").fetch_all(pool).await?; // @callee query
    Ok(())
}

#[tokio::test]
async fn in_a_callee() {
    let pool = pool_of(5).await;
    let found = found(holds(&pool)).await;
    let finding = only(Lint::OutsideTransaction, &found);
    assert_primary(
        finding,
        &marked("callee query", "fetch_all"),
        "outside::queries",
    );
    assert_certainty(finding, Certainty::Certain);
    let begin = related(finding, &marked("callee begin", "begin"));
    assert_eq!(
        begin.site.function.as_deref(),
        Some("findings::outside::holds")
    );
    let way = related(finding, &declared("passes_on"));
    assert_eq!(way.label, "called through here");
    assert_helps(
        finding,
        "let findings::outside::queries take the connection to use",
    );
    assert_helps(
        finding,
        "`conn: &mut SqliteConnection`, and call it with `&mut *tx`",
    );
}

#[track]
async fn has_a_savepoint(pool: &SqlitePool) -> Result {
    let mut tx = pool.begin().await?; // @savepoint begin
    let mut savepoint = tx.begin().await?;
    sqlx::query("SELECT 1").execute(&mut *savepoint).await?;
    sqlx::query("SELECT 2").execute(pool).await?; // @savepoint query
    savepoint.commit().await?;
    sqlx::query("SELECT 3").execute(&mut *tx).await?;
    tx.commit().await
}

#[track]
async fn begins_on_a_connection(pool: &SqlitePool) -> Result {
    let mut conn = pool.acquire().await?; // @conn begin
    let tx = conn.begin().await?;
    sqlx::query("SELECT 2").execute(pool).await?; // @conn query
    tx.commit().await?;
    drop(conn);
    Ok(())
}

#[track]
async fn reads_a_stream(pool: &SqlitePool) -> Result {
    use futures::TryStreamExt as _;
    let tx = pool.begin().await?; // @stream begin
    let mut rows = sqlx::query("SELECT 2").fetch(pool); // @stream query
    while rows.try_next().await?.is_some() {}
    drop(rows);
    tx.rollback().await
}

#[tokio::test]
async fn however_it_was_begun() {
    let pool = pool_of(5).await;
    let tasks: [(_, _, _, BoxFuture<'_, Result>); 3] = [
        (
            "savepoint",
            "begin",
            "execute",
            has_a_savepoint(&pool).boxed(),
        ),
        (
            "conn",
            "acquire",
            "execute",
            begins_on_a_connection(&pool).boxed(),
        ),
        ("stream", "begin", "fetch", reads_a_stream(&pool).boxed()),
    ];
    for (marker, taken, query, task) in tasks {
        let found = found(task).await;
        let finding = only(Lint::OutsideTransaction, &found);
        let place = marked(&format!("{marker} query"), query);
        assert_eq!(finding.primary.line, place.line, "{}", finding.render());
        assert_eq!(finding.primary.column, place.column, "{}", finding.render());
        related(finding, &marked(&format!("{marker} begin"), taken));
    }
}

// What is left alone.

#[track]
async fn queries_the_transaction(pool: &SqlitePool) -> Result {
    let mut tx = pool.begin().await?;
    sqlx::query("SELECT 1").execute(&mut *tx).await?;
    uses(&mut tx).await?;
    let mut savepoint = tx.begin().await?;
    uses(&mut savepoint).await?;
    savepoint.rollback().await?;
    tx.commit().await
}

#[track]
async fn uses(conn: &mut sqlx::SqliteConnection) -> Result {
    sqlx::query("SELECT 1").execute(&mut *conn).await?;
    Ok(())
}

#[track]
async fn queries_afterwards(pool: &SqlitePool) -> Result {
    let tx = pool.begin().await?;
    tx.commit().await?;
    sqlx::query("SELECT 1").execute(pool).await?;
    let tx = pool.begin().await?;
    tx.rollback().await?;
    queries(pool).await?;
    let tx = pool.begin().await?;
    drop(tx);
    queries(pool).await?;
    {
        let _tx = pool.begin().await?;
    }
    queries(pool).await
}

#[track]
async fn queries_before(pool: &SqlitePool) -> Result {
    queries(pool).await?;
    let tx = pool.begin().await?;
    tx.commit().await
}

#[track]
async fn joins(pool: &SqlitePool) -> Result {
    tokio::try_join!(
        async {
            let mut tx = pool.begin().await?;
            sleep(Duration::from_millis(30)).await;
            sqlx::query("SELECT 1").execute(&mut *tx).await?;
            tx.commit().await
        },
        async {
            sleep(Duration::from_millis(15)).await;
            sqlx::query("SELECT 2").execute(pool).await?;
            queries(pool).await
        }
    )
    .map(|_| ())
}

#[track]
async fn joins_functions(pool: &SqlitePool) -> Result {
    tokio::try_join!(holds_for_a_moment(pool), queries_later(pool))?;
    join_all((0..3).map(|_| holds_for_a_moment(pool)))
        .await
        .into_iter()
        .collect()
}

#[track]
async fn holds_for_a_moment(pool: &SqlitePool) -> Result {
    let tx = pool.begin().await?;
    sleep(Duration::from_millis(30)).await;
    tx.rollback().await
}

#[track]
async fn queries_later(pool: &SqlitePool) -> Result {
    sleep(Duration::from_millis(15)).await;
    queries(pool).await
}

#[track]
async fn in_a_spawned_task(pool: &SqlitePool) -> Result {
    let theirs = pool.clone();
    let plain = tokio::spawn(async move { holds_for_a_moment(&theirs).await });
    let theirs = pool.clone();
    let carried = tokio::spawn(async move { holds_for_a_moment(&theirs).await }.in_current_scope());
    queries_later(pool).await?;
    plain.await.unwrap()?;
    carried.await.unwrap()
}

#[track]
async fn a_spawned_task_queries(pool: &SqlitePool) -> Result {
    let tx = pool.begin().await?;
    let theirs = pool.clone();
    let plain = tokio::spawn(async move { queries(&theirs).await });
    let theirs = pool.clone();
    let carried = tokio::spawn(async move { queries(&theirs).await }.in_current_scope());
    plain.await.unwrap()?;
    carried.await.unwrap()?;
    tx.rollback().await
}

#[tokio::test]
async fn what_is_no_part_of_it() {
    let pool = pool_of(9).await;
    let mut tasks: Vec<BoxFuture<'_, Result>> = Vec::new();
    tasks.push(queries_the_transaction(&pool).boxed());
    tasks.push(queries_afterwards(&pool).boxed());
    tasks.push(queries_before(&pool).boxed());
    tasks.push(joins(&pool).boxed());
    tasks.push(joins_functions(&pool).boxed());
    tasks.push(in_a_spawned_task(&pool).boxed());
    tasks.push(a_spawned_task_queries(&pool).boxed());
    for task in tasks {
        let found = found(task).await;
        none(Lint::OutsideTransaction, &found);
        none(Lint::NestedAcquire, &found);
    }
}

#[track]
async fn has_a_transaction_of_another(pool: &SqlitePool, other: &SqlitePool) -> Result {
    let tx = other.begin().await?;
    queries(pool).await?;
    tx.rollback().await
}

#[tokio::test]
async fn another_pool() {
    let (pool, other) = (pool_of(5).await, pool_of(5).await);
    let found = found(has_a_transaction_of_another(&pool, &other)).await;
    crate::common::nothing(&found);
}

#[track]
async fn holds_a_plain_connection(pool: &SqlitePool) -> Result {
    let conn = pool.acquire().await?;
    queries(pool).await?;
    drop(conn);
    Ok(())
}

#[track]
async fn its_transaction_has_ended(pool: &SqlitePool) -> Result {
    let mut conn = pool.acquire().await?;
    let tx = conn.begin().await?;
    tx.commit().await?;
    queries(pool).await?;
    drop(conn);
    Ok(())
}

#[track]
async fn takes_a_connection(pool: &SqlitePool) -> Result {
    let tx = pool.begin().await?;
    let conn = pool.acquire().await?;
    drop(conn);
    tx.rollback().await
}

#[tokio::test]
async fn what_is_a_second_permit_and_no_more() {
    let pool = pool_of(5).await;
    for task in [
        holds_a_plain_connection(&pool).boxed(),
        its_transaction_has_ended(&pool).boxed(),
        takes_a_connection(&pool).boxed(),
    ] {
        let found = found(task).await;
        none(Lint::OutsideTransaction, &found);
        only(Lint::NestedAcquire, &found);
    }
}

// Levels.

#[track(allow(outside_transaction, reason = "a test of silence"))]
async fn is_allowed(pool: &SqlitePool) -> Result {
    let tx = pool.begin().await?;
    sqlx::query("SELECT 1").execute(pool).await?;
    tx.rollback().await
}

#[tokio::test]
async fn allow_is_silent() {
    let pool = pool_of(5).await;
    let found = found(is_allowed(&pool)).await;
    none(Lint::OutsideTransaction, &found);
    only(Lint::NestedAcquire, &found);
}

#[track(deny(outside_transaction))]
async fn is_denied(pool: &SqlitePool) -> Result {
    let tx = pool.begin().await?;
    sqlx::query("SELECT 1").execute(pool).await?; // @denied
    tx.rollback().await
}

#[tokio::test]
async fn deny_panics_at_the_query() {
    note_panics();
    let pool = pool_of(5).await;
    let ended = std::panic::AssertUnwindSafe(is_denied(&pool))
        .catch_unwind()
        .await;
    assert_eq!(ended.is_err(), cfg!(debug_assertions));
    if cfg!(debug_assertions) {
        let panics = panics_about(pool.name());
        assert_eq!(panics.len(), 1);
        assert_eq!(panics[0].0, marked("denied", "execute"));
        assert!(panics[0].1.contains("outside_transaction"));
    }
}
