//! A statement over the limit.

use std::time::Duration;

use futures::TryStreamExt;
use sqlx::leash::testing::findings;
use sqlx::leash::{Activity, Finding, Lint};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection, SqlitePool, track};

use crate::common::{self, Gate, Place, Says, marked, only, pool, reported, watched};

use super::says;

#[track(slow_query = "100ms")]
async fn inserts(gate: &SqlitePool) {
    sqlx::query("INSERT INTO exam (name) VALUES ('a')")
        .execute(gate) // @inserts
        .await
        .unwrap();
}

/// The findings of `future`: first while the gate blocks every write, then until `future` has ended.
async fn at_the_gate(mut gate: Gate, future: impl Future<Output = ()>) -> Vec<Finding> {
    let ((), found) = findings(async {
        futures::join!(Box::pin(future), async {
            reported(gate.pool.name(), Lint::SlowQuery, 1).await;
            // The statement is still running.
            let handles = gate.pool.handles();
            assert!(
                handles
                    .iter()
                    .any(|handle| handle.activity != Activity::Idle)
            );
            gate.open().await;
        });
    })
    .await;
    found
}

#[tokio::test]
async fn reported_while_it_runs_and_not_again_at_its_end() {
    let gate = Gate::closed().await;
    let pool = gate.pool.clone();
    let found = only(at_the_gate(gate, inserts(&pool)).await);
    Says {
        title: &[
            "`INSERT exam` in findings::slow::found::inserts has run for",
            "; the limit is 100 ms",
        ],
        facts: &[
            "running for",
            "limit 100 ms",
            "text INSERT INTO exam (name) VALUES ('a')",
        ],
        help: &[
            "`EXPLAIN QUERY PLAN INSERT INTO exam",
            "#[track(slow_query = \"30s\")]",
        ],
        ..says(
            marked("inserts", "execute"),
            "findings::slow::found::inserts",
        )
    }
    .check(&found);
    assert!(
        found.cause.contains("its answer has not been read yet"),
        "{}",
        found.cause
    );
    assert!(found.pool.is_some());
}

#[track(slow_query = "100ms")]
async fn by_query_as(gate: &SqlitePool) {
    let _: Vec<(i64,)> = sqlx::query_as("INSERT INTO exam (name) VALUES ('a') RETURNING id")
        .fetch_all(gate) // @query_as
        .await
        .unwrap();
}

#[track(slow_query = "100ms")]
async fn by_a_stream(gate: &SqlitePool) {
    let rows = sqlx::query("INSERT INTO exam (name) VALUES ('a') RETURNING id").fetch(gate); // @stream
    let _: Vec<_> = rows.try_collect().await.unwrap();
}

#[tokio::test]
async fn statements_whose_rows_are_streamed() {
    let gate = Gate::closed().await;
    let pool = gate.pool.clone();
    says(
        marked("query_as", "fetch_all"),
        "findings::slow::found::by_query_as",
    )
    .check(&only(at_the_gate(gate, by_query_as(&pool)).await));
    let gate = Gate::closed().await;
    let pool = gate.pool.clone();
    says(
        marked("stream", "fetch"),
        "findings::slow::found::by_a_stream",
    )
    .check(&only(at_the_gate(gate, by_a_stream(&pool)).await));
}

#[track]
async fn takes_and_calls(gate: &SqlitePool) {
    let mut tx = gate.begin().await.unwrap();
    strict(&mut tx).await;
    tx.commit().await.unwrap();
}

#[track(slow_query = "100ms")]
pub(super) async fn strict(tx: &mut common::Tx) {
    sqlx::query("INSERT INTO exam (name) VALUES ('a')")
        .execute(&mut **tx) // @strict
        .await
        .unwrap();
}

#[tokio::test]
async fn the_limit_is_that_of_the_function_that_sends_it() {
    let gate = Gate::closed().await;
    let pool = gate.pool.clone();
    says(marked("strict", "execute"), "findings::slow::found::strict")
        .check(&only(at_the_gate(gate, takes_and_calls(&pool)).await));
}

#[track(slow_query = "50ms")]
async fn with_a_connection_of_its_own(database: &SqliteConnectOptions) {
    let mut conn = SqliteConnection::connect_with(database).await.unwrap();
    sqlx::query("INSERT INTO exam (name) VALUES ('a')")
        .execute(&mut conn) // @plain
        .await
        .unwrap();
}

#[tokio::test]
async fn without_a_handle_it_is_reported_at_its_end() {
    let mut gate = Gate::closed().await;
    let database = (*gate.pool.connect_options()).clone();
    let ((), found) = findings(async {
        futures::join!(with_a_connection_of_its_own(&database), async {
            watched().await;
            gate.open().await;
        });
    })
    .await;
    let found = only(found);
    Says {
        title: &["`INSERT exam` in findings::slow::found::with_a_connection_of_its_own took"],
        facts: &["time "],
        ..says(
            marked("plain", "execute"),
            "findings::slow::found::with_a_connection_of_its_own",
        )
    }
    .check(&found);
    assert_eq!(found.pool, None);
}

#[track(slow_query = "1ms")]
async fn short_but_too_long(gate: &SqlitePool) {
    sqlx::query("SELECT 1").execute(gate).await.unwrap();
    let sum = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) SELECT sum(i) FROM n";
    sqlx::query(sum).execute(gate).await.unwrap(); // @sums up
}

#[tokio::test]
async fn a_statement_the_watchdog_did_not_see_is_reported_at_its_end() {
    let pool = pool().await;
    let ((), found) = findings(short_but_too_long(&pool)).await;
    // On a busy machine, the other statement may take a millisecond, too.
    let place = marked("sums up", "execute");
    assert_eq!(
        found
            .iter()
            .filter(|found| Place::from(&found.primary) == place)
            .count(),
        1,
        "{}",
        common::rendered(&found)
    );
}

#[tokio::test]
async fn a_statement_that_is_given_up() {
    let mut gate = Gate::closed().await;
    let pool = gate.pool.clone();
    let ((), found) = findings(async {
        let given_up = reported(gate.pool.name(), Lint::SlowQuery, 1);
        futures::future::select(Box::pin(inserts(&pool)), Box::pin(given_up)).await;
        gate.open().await;
    })
    .await;
    // The finding was reported while the statement ran, and is not reported a second time.
    says(
        marked("inserts", "execute"),
        "findings::slow::found::inserts",
    )
    .check(&only(found));
}

#[track(slow_query = "20ms")]
async fn given_up_before_a_look(database: &SqliteConnectOptions) {
    let mut conn = SqliteConnection::connect_with(database).await.unwrap();
    let insert = sqlx::query("INSERT INTO exam (name) VALUES ('a')").execute(&mut conn); // @given up
    assert!(
        tokio::time::timeout(Duration::from_millis(100), insert)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_statement_without_a_handle_that_is_given_up() {
    let mut gate = Gate::closed().await;
    let database = (*gate.pool.connect_options()).clone();
    let ((), found) = findings(given_up_before_a_look(&database)).await;
    gate.open().await;
    let found = only(found);
    assert!(
        found.title.contains("was cancelled after"),
        "{}",
        found.title
    );
}

#[track(slow_query = "50ms")]
async fn over_and_over(gate: &SqlitePool) {
    sqlx::query("INSERT INTO exam (name) VALUES ('a')")
        .execute(gate)
        .await
        .unwrap();
    sqlx::query("INSERT INTO exam (name) VALUES ('b')")
        .execute(gate)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_fast_statement_after_a_slow_one() {
    let gate = Gate::closed().await;
    let pool = gate.pool.clone();
    let found = at_the_gate(gate, over_and_over(&pool)).await;
    assert_eq!(found[0].lint, Lint::SlowQuery);
    assert!(found[0].facts.iter().any(|fact| fact.value.contains("'a'")));
}
