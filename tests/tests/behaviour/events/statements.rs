//! One event for each statement, in the span of its function.

use futures::{StreamExt, TryStreamExt};
use sqlx::{Executor, SqlitePool, track};
use tracing::{Instrument, Level, info_span, instrument};

use crate::common::{HUNDRED, marked, pool};

use super::Collected;

#[tokio::test]
async fn one_event_for_each_statement() {
    #[track]
    async fn statements(pool: &SqlitePool) -> sqlx::Result<()> {
        for name in ["secret one", "secret two"] {
            sqlx::query("INSERT INTO exam (name) VALUES (?)")
                .bind(name)
                .execute(pool) // @insert
                .await?;
        }
        sqlx::query("SELECT * FROM exam WHERE name <> ?")
            .bind("secret three")
            .fetch_all(pool) // @select
            .await?;
        let mut tx = pool.begin().await?;
        tx.execute("SELECT no_such_column").await.unwrap_err(); // @wrong
        tx.commit().await
    }
    #[track]
    async fn half(pool: &SqlitePool) {
        let mut rows = sqlx::query(HUNDRED).fetch(pool);
        futures::StreamExt::next(&mut rows).await.unwrap().unwrap();
    }
    let pool = pool().await;
    let (collected, _guard) = Collected::start();
    statements(&pool).await.unwrap();
    half(&pool).await;

    let queries =
        collected.queries_of("events::statements::one_event_for_each_statement::statements");
    assert_eq!(queries.len(), 4, "begin and commit are none: {queries:#?}");
    let calls: Vec<_> = queries.iter().map(|seen| seen.field("calls")).collect();
    assert_eq!(
        calls,
        ["1", "2", "1", "1"],
        "the running count of the call site"
    );
    let expected = [
        (
            "insert",
            "execute",
            "INSERT INTO exam (name) VALUES (?)",
            "INSERT exam",
            None,
            Some("1"),
        ),
        (
            "insert",
            "execute",
            "INSERT INTO exam (name) VALUES (?)",
            "INSERT exam",
            None,
            Some("1"),
        ),
        (
            "select",
            "fetch_all",
            "SELECT * FROM exam WHERE name <> ?",
            "SELECT exam",
            Some("2"),
            None,
        ),
        (
            "wrong",
            "execute",
            "SELECT no_such_column",
            "SELECT",
            Some("0"),
            None,
        ),
    ];
    for (seen, (marker, word, text, summary, returned, affected)) in queries.iter().zip(expected) {
        assert_eq!(seen.level, Level::DEBUG);
        let place = marked(marker, word);
        assert_eq!(seen.field("code.file.path"), place.file);
        assert_eq!(seen.field("code.line.number"), place.line.to_string());
        assert_eq!(seen.field("db.system.name"), "sqlite");
        assert_eq!(seen.field("db.query.text"), text);
        assert_eq!(seen.field("db.query.summary"), summary);
        let rows = ["db.response.returned_rows", "rows_affected"]
            .map(|field| seen.fields.get(field).map(String::as_str));
        assert_eq!(rows, [returned, affected], "each where it can be");
        assert_eq!(seen.field("db.client.connection.pool.name"), pool.name());
        assert_eq!(seen.fields.contains_key("error.type"), marker == "wrong");
    }
    let half = collected
        .queries_of("events::statements::one_event_for_each_statement::half")
        .remove(0);
    assert_eq!(
        (
            half.field("error.type"),
            half.field("db.response.returned_rows")
        ),
        ("cancelled", "1")
    );
    assert!(
        !collected.text().contains("secret"),
        "bound values are never logged"
    );
}

/// With `#[instrument]` above or below, a statement's event is in the function's span.
#[tokio::test]
async fn statements_stand_in_the_span_of_their_function() {
    #[track]
    #[instrument(skip_all)]
    async fn above(pool: &SqlitePool) {
        sqlx::query("SELECT 1").execute(pool).await.unwrap();
    }
    #[instrument(skip_all)]
    #[track]
    async fn below(pool: &SqlitePool) {
        sqlx::query("SELECT 1").execute(pool).await.unwrap();
    }
    let pool = pool().await;
    let (collected, _guard) = Collected::start();
    above(&pool).instrument(info_span!("request")).await;
    below(&pool).instrument(info_span!("request")).await;
    let module = "events::statements::statements_stand_in_the_span_of_their_function";
    for function in ["above", "below"] {
        let queries = collected.queries_of(&format!("{module}::{function}"));
        assert_eq!(queries.len(), 1);
        assert_eq!(queries[0].spans, ["request", function]);
    }
}

/// As in sqlx, the events of a pool's stream are in the span in which the stream was made, also when it is dropped
/// early.
#[tokio::test]
async fn a_stream_of_the_pool_stays_in_its_span() {
    #[track]
    async fn read(pool: &SqlitePool, rows: usize) {
        let stream = info_span!("made").in_scope(|| sqlx::query(HUNDRED).fetch(pool));
        let stream = stream.take(rows).try_collect::<Vec<_>>();
        assert_eq!(stream.await.unwrap().len(), rows.min(100));
    }
    let pool = pool().await;
    let (collected, _guard) = Collected::start();
    for rows in [1, 1000] {
        read(&pool, rows).instrument(info_span!("request")).await;
    }
    let queries =
        collected.queries_of("events::statements::a_stream_of_the_pool_stays_in_its_span::read");
    let outcomes: Vec<_> = queries
        .iter()
        .map(|query| {
            (
                query.fields.get("error.type").map(String::as_str),
                &query.spans[..],
            )
        })
        .collect();
    let made: &[_] = &["request", "made"];
    assert_eq!(outcomes, [(Some("cancelled"), made), (None, made)]);
}
