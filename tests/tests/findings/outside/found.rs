//! A query through the pool beside an open transaction.

use futures::FutureExt;
use futures::future::BoxFuture;
use sqlx::leash::{Certainty, Level, Lint};
use sqlx::{Acquire, SqlitePool, track};

use crate::common::{
    assert_certainty, assert_helps, assert_primary, bare_pool_of, declared, marked, only_of,
    related, said,
};

use super::{Result, found};

#[track]
async fn queries_the_pool(pool: &SqlitePool) -> Result {
    let mut tx = pool.begin().await?; // @begin
    sqlx::query("SELECT 1").execute(&mut *tx).await?;
    sqlx::query("SELECT 2").execute(pool).await?; // @query
    tx.commit().await
}

#[tokio::test]
async fn in_one_function() {
    let pool = bare_pool_of(5).await;
    let found = found(queries_the_pool(&pool)).await;
    let finding = only_of(Lint::OutsideTransaction, &found);
    assert_primary(
        finding,
        &marked("query", "execute"),
        "outside::found::queries_the_pool",
    );
    assert_certainty(finding, Certainty::Certain);
    assert_eq!(finding.level, Level::Warn);
    assert_eq!(
        related(finding, &marked("begin", "begin")).label,
        "the transaction begins here"
    );
    assert_eq!(said(finding, "after"), "1 statement");
    assert_helps(finding, "`&mut *tx` instead of `&pool`");
    // The query acquires a second permit, too.
    assert_certainty(only_of(Lint::NestedAcquire, &found), Certainty::Certain);
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
pub(super) async fn queries(pool: &SqlitePool) -> Result {
    sqlx::query("SELECT 1").fetch_all(pool).await?; // @callee query
    Ok(())
}

#[tokio::test]
async fn in_a_callee() {
    let pool = bare_pool_of(5).await;
    let found = found(holds(&pool)).await;
    let finding = only_of(Lint::OutsideTransaction, &found);
    assert_primary(
        finding,
        &marked("callee query", "fetch_all"),
        "outside::found::queries",
    );
    assert_certainty(finding, Certainty::Certain);
    let begin = related(finding, &marked("callee begin", "begin"));
    assert_eq!(
        begin.site.function.as_deref(),
        Some("findings::outside::found::holds")
    );
    let way = related(finding, &declared("passes_on"));
    assert_eq!(way.label, "called through here");
    assert_helps(
        finding,
        "let findings::outside::found::queries take the connection as a parameter",
    );
    assert_helps(
        finding,
        "`conn: &mut leash::Conn<'_, Sqlite>` with `use sqlx::{Sqlite, leash}`, and pass `&mut tx`",
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
    let mut conn = pool.acquire().await?;
    let tx = conn.begin().await?; // @conn begin
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
async fn by_each_way_to_begin() {
    let pool = bare_pool_of(5).await;
    let tasks: [(_, _, _, BoxFuture<'_, Result>); 3] = [
        (
            "savepoint",
            "begin",
            "execute",
            has_a_savepoint(&pool).boxed(),
        ),
        (
            "conn",
            "begin",
            "execute",
            begins_on_a_connection(&pool).boxed(),
        ),
        ("stream", "begin", "fetch", reads_a_stream(&pool).boxed()),
    ];
    for (marker, taken, query, task) in tasks {
        let found = found(task).await;
        let finding = only_of(Lint::OutsideTransaction, &found);
        let place = marked(&format!("{marker} query"), query);
        assert_eq!(finding.primary.line, place.line, "{}", finding.render());
        assert_eq!(finding.primary.column, place.column, "{}", finding.render());
        related(finding, &marked(&format!("{marker} begin"), taken));
    }
}
