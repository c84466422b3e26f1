//! A second permit, acquired while one of the same pool is held.

use futures::TryStreamExt;
use sqlx::leash::{self, Certainty, Finding, Level, Lint};
use sqlx::{Sqlite, SqlitePool, Transaction, track};

use crate::common::{
    PATIENCE, assert_certainty, assert_helps, assert_primary, bare_pool_of, declared, marked,
    only_of, related, said,
};

use super::{Result, found};

/// The only finding of `future`: `nested_acquire`, on the line marked `<marker> second`, with the first handle acquired
/// on the line marked `<marker> first`.
async fn nests(marker: &str, future: impl Future<Output = Result>) -> Finding {
    let found = found(future).await;
    let finding = only_of(Lint::NestedAcquire, &found).clone();
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(finding.level, Level::Warn);
    let second = marker_of(marker, "second");
    assert_eq!(
        (finding.primary.file.as_str(), finding.primary.line),
        (file!(), second),
        "{}",
        finding.render()
    );
    assert_eq!(
        (
            finding.related[0].site.file.as_str(),
            finding.related[0].site.line
        ),
        (file!(), marker_of(marker, "first")),
        "{}",
        finding.render()
    );
    finding
}

/// The number of the line with this marker.
#[track_caller]
fn marker_of(marker: &str, which: &str) -> u32 {
    marked(&format!("{marker} {which}"), "pool").line
}

#[track]
async fn takes_two(pool: &SqlitePool) -> Result {
    let first = pool.acquire().await?; // @two first
    let second = pool.acquire().await?; // @two second
    drop(second);
    drop(first);
    Ok(())
}

#[tokio::test]
async fn in_one_function() {
    let pool = bare_pool_of(5).await;
    let finding = nests("two", takes_two(&pool)).await;
    assert_primary(
        &finding,
        &marked("two second", "acquire"),
        "nested::found::takes_two",
    );
    assert_certainty(&finding, Certainty::Certain);
    let first = related(&finding, &marked("two first", "acquire"));
    assert_eq!(first.label, "a connection is held from here on");
    assert_eq!(said(&finding, "tasks at once (Tn)"), "1");
    assert_eq!(said(&finding, "connections per task (Cm)"), "2");
    assert_eq!(said(&finding, "minimum safe size Tn × (Cm − 1) + 1 ="), "2");
    assert_eq!(said(&finding, "pool size"), "5");
    assert_helps(&finding, "&mut *conn");
    assert_helps(&finding, "drop(conn)");
}

#[track]
async fn holds(pool: &SqlitePool) -> Result {
    let mut tx = pool.begin().await?; // @callee first
    sqlx::query("SELECT 1").execute(&mut *tx).await?;
    takes(pool).await?;
    tx.commit().await
}

#[track]
pub(super) async fn takes(pool: &SqlitePool) -> Result {
    let conn = pool.acquire().await?; // @callee second
    drop(conn);
    Ok(())
}

#[tokio::test]
async fn in_a_callee() {
    let pool = bare_pool_of(5).await;
    let finding = nests("callee", holds(&pool)).await;
    assert_primary(
        &finding,
        &marked("callee second", "acquire"),
        "nested::found::takes",
    );
    assert_certainty(&finding, Certainty::Certain);
    let first = related(&finding, &marked("callee first", "begin"));
    assert_eq!(first.label, "a transaction is held from here on");
    assert_eq!(
        first.site.function.as_deref(),
        Some("findings::nested::found::holds")
    );
    assert_eq!(
        finding.title,
        format!(
            "findings::nested::found::takes acquires a connection of pool {} while findings::nested::found::holds holds a transaction of that pool",
            pool.name()
        )
    );
    assert_helps(
        &finding,
        "let findings::nested::found::takes take the connection as a parameter, `conn: &mut leash::Conn<'_, Sqlite>` with `use sqlx::{Sqlite, leash}`, and pass `&mut tx`",
    );
    assert_helps(&finding, "tx.commit().await?");
}

#[track]
async fn passes_by_value(pool: &SqlitePool) -> Result {
    let tx = pool.begin().await?;
    finishes(tx, pool).await
}

#[track]
async fn finishes(tx: Transaction<'_, Sqlite>, pool: &SqlitePool) -> Result {
    sqlx::query("SELECT 1").execute(pool).await?; // @finishes
    tx.commit().await
}

#[track]
async fn passes_and_ends(pool: &SqlitePool) -> Result {
    let tx = pool.begin().await?;
    ends(tx, pool).await
}

#[track]
async fn ends(tx: Transaction<'_, Sqlite>, pool: &SqlitePool) -> Result {
    tx.commit().await?;
    sqlx::query("SELECT 1").execute(pool).await?;
    Ok(())
}

#[tokio::test]
async fn in_a_callee_that_is_given_the_handle() {
    let pool = bare_pool_of(5).await;
    let found = super::found(passes_by_value(&pool)).await;
    for lint in [Lint::NestedAcquire, Lint::OutsideTransaction] {
        let finding = only_of(lint, &found);
        assert_certainty(finding, Certainty::Likely);
        assert_primary(
            finding,
            &marked("finishes", "execute"),
            "nested::found::finishes",
        );
    }
    super::is_silent(passes_and_ends(&pool)).await;
}

/// Methods that a trait adds to the pool.
trait Exams {
    async fn exams(&self) -> Result;
}

#[track]
impl Exams for SqlitePool {
    async fn exams(&self) -> Result {
        sqlx::query("SELECT 1").execute(self).await?; // @extension
        Ok(())
    }
}

#[track]
async fn holds_for_a_method_of_the_pool(pool: &SqlitePool) -> Result {
    let tx = pool.begin().await?;
    pool.exams().await?;
    tx.commit().await
}

#[track]
async fn holds_for_its_caller(pool: &SqlitePool) -> Result {
    let tx = pool.begin().await?;
    calls_a_method_of_the_pool(pool).await?;
    tx.commit().await
}

#[track]
async fn calls_a_method_of_the_pool(pool: &SqlitePool) -> Result {
    pool.exams().await
}

/// A method of the pool cannot take a connection: the help names the function that can.
#[tokio::test]
async fn in_a_method_of_the_pool() {
    let pool = bare_pool_of(5).await;
    let found = found(holds_for_its_caller(&pool)).await;
    for lint in [Lint::NestedAcquire, Lint::OutsideTransaction] {
        assert_helps(
            only_of(lint, &found),
            "let findings::nested::found::calls_a_method_of_the_pool take the connection as a parameter, `conn: &mut leash::Conn<'_, Sqlite>`",
        );
    }
    let found = super::found(holds_for_a_method_of_the_pool(&pool)).await;
    assert_helps(
        only_of(Lint::NestedAcquire, &found),
        "send what <Pool as Exams>::exams sends to the pool on the connection that is held: `&mut *tx`",
    );
}

#[track]
async fn holds_further_out(pool: &SqlitePool) -> Result {
    let conn = pool.acquire().await?; // @further first
    passes_on(pool).await?;
    drop(conn);
    Ok(())
}

#[track]
async fn passes_on(pool: &SqlitePool) -> Result {
    passes_further(pool).await
}

#[track]
async fn passes_further(pool: &SqlitePool) -> Result {
    takes_further_in(pool).await
}

#[track]
async fn takes_further_in(pool: &SqlitePool) -> Result {
    let tx = pool.begin().await?; // @further second
    tx.rollback().await
}

#[tokio::test]
async fn in_the_callee_of_a_callee() {
    let pool = bare_pool_of(5).await;
    let finding = nests("further", holds_further_out(&pool)).await;
    assert_certainty(&finding, Certainty::Certain);
    let way: Vec<_> = finding.related[1..]
        .iter()
        .map(|related| (related.label.as_str(), related.site.line))
        .collect();
    assert_eq!(
        way,
        [
            ("called through here", declared("passes_on").line),
            ("called through here", declared("passes_further").line),
        ]
    );
}

#[track]
async fn queries_the_pool(pool: &SqlitePool) -> Result {
    let conn = pool.acquire().await?; // @query first
    sqlx::query("SELECT 1").execute(pool).await?; // @query second
    drop(conn);
    Ok(())
}

#[tokio::test]
async fn by_a_query_while_a_connection_is_held() {
    let pool = bare_pool_of(5).await;
    let finding = nests("query", queries_the_pool(&pool)).await;
    assert_primary(
        &finding,
        &marked("query second", "execute"),
        "nested::found::queries_the_pool",
    );
    assert_certainty(&finding, Certainty::Certain);
    assert_helps(&finding, "`&mut *conn` instead of the pool");
}

#[track]
async fn queries_for_each_row(pool: &SqlitePool) -> Result {
    let mut rows = sqlx::query("SELECT 1").fetch(pool);
    while let Some(_row) = rows.try_next().await? {
        sqlx::query("SELECT 2").fetch_all(pool).await?; // @row
    }
    Ok(())
}

#[tokio::test]
async fn while_a_stream_is_open() {
    let pool = bare_pool_of(5).await;
    let found = found(queries_for_each_row(&pool)).await;
    let finding = only_of(Lint::NestedAcquire, &found);
    assert_primary(
        finding,
        &marked("row", "fetch_all"),
        "nested::found::queries_for_each_row",
    );
    assert_certainty(finding, Certainty::Certain);
    assert_eq!(
        finding.related[0].label,
        "a row stream is held from here on"
    );
    assert_helps(finding, "try_collect");
}

#[track]
async fn holds_around_a_join(pool: &SqlitePool) -> Result {
    let conn = pool.acquire().await?; // @around first
    tokio::try_join!(takes_within(pool), async { Ok(()) })?;
    drop(conn);
    Ok(())
}

#[track]
async fn takes_within(pool: &SqlitePool) -> Result {
    let conn = pool.acquire().await?; // @around second
    drop(conn);
    Ok(())
}

#[tokio::test]
async fn a_handle_held_around_a_join_counts_for_its_branches() {
    let pool = bare_pool_of(5).await;
    let finding = nests("around", holds_around_a_join(&pool)).await;
    assert_certainty(&finding, Certainty::Certain);
}

#[track]
async fn holds_within_a_block(pool: &SqlitePool) -> Result {
    let nested = async {
        let first = pool.acquire().await?; // @block first
        let second = pool.acquire().await?; // @block second
        drop(second);
        drop(first);
        Ok(())
    };
    nested.await
}

#[tokio::test]
async fn within_one_async_block() {
    let pool = bare_pool_of(5).await;
    let finding = nests("block", holds_within_a_block(&pool)).await;
    // It is awaited where it stands, and nowhere else.
    assert_certainty(&finding, Certainty::Certain);
}

#[track]
async fn holds_within_a_passed_block(pool: &SqlitePool) -> Result {
    let nested = async {
        let first = pool.acquire().await?; // @passed block first
        let second = pool.acquire().await?; // @passed block second
        drop(second);
        drop(first);
        Ok(())
    };
    tokio::time::timeout(PATIENCE, nested).await.unwrap()
}

#[tokio::test]
async fn within_an_async_block_that_is_passed_on() {
    let pool = bare_pool_of(5).await;
    let finding = nests("passed block", holds_within_a_passed_block(&pool)).await;
    // The block might run several times concurrently.
    assert_certainty(&finding, Certainty::Likely);
}

#[track]
async fn holds_within_a_named_scope(pool: &SqlitePool) -> Result {
    leash::scope("job", async {
        let first = pool.acquire().await?; // @scope first
        let second = pool.acquire().await?; // @scope second
        drop(second);
        drop(first);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn within_a_named_scope() {
    let pool = bare_pool_of(5).await;
    nests("scope", holds_within_a_named_scope(&pool)).await;
}

#[track]
async fn tries_first(pool: &SqlitePool) -> Result {
    let first = pool.try_acquire().expect("one is idle"); // @tried first
    let second = pool.acquire().await?; // @tried second
    drop(second);
    drop(first);
    Ok(())
}

#[tokio::test]
async fn a_connection_that_was_tried_for_is_held_as_well() {
    let pool = bare_pool_of(5).await;
    nests("tried", tries_first(&pool)).await;
}
