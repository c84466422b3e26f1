//! Spans of statements, as OpenTelemetry exports them.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use leash_tests::in_child;
use opentelemetry::trace::{SpanKind, Status};
use opentelemetry_sdk::trace::SpanData;
use sqlx::{Connection, Executor, track};
use tracing::{Callsite, Instrument, dispatcher, info_span, instrument};

use super::{BY_ID, Db, pool_of};
use crate::common::{TestPool, marked};
use crate::spans::{Exported, attribute, time};

type Pool = sqlx::Pool<Db>;
type DbConnection = <Db as sqlx::Database>::Connection;

const INSERT: &str = "INSERT INTO exam (name) VALUES ('x')";
const ALL: &str = "SELECT * FROM exam";

/// Runs a test in its own process, where there are spans of statements, or of all.
fn run(test: &str, spans: &str, test_body: impl AsyncFnOnce(&TestPool<Db>, &Exported)) {
    let variables = [("SQLX_LEASH", format!("spans={spans},all=allow"))];
    let variables = variables.each_ref().map(|(name, value)| (*name, &**value));
    in_child(&here!(test), &variables, |runtime| {
        runtime.block_on(async {
            let Some(pool) = pool_of(3).await else { return };
            let exported = Exported::start();
            test_body(&pool, &exported).await;
        });
    });
}

#[track_caller]
fn check(span: &SpanData, expected: &[(&str, Option<&str>)]) {
    for (name, value) in expected {
        assert_eq!(
            attribute(span, name).as_deref(),
            *value,
            "{name}: {span:#?}"
        );
    }
}

/// The place of `word` on the marked line is that of the span.
#[track_caller]
fn check_place(span: &SpanData, marker: &str, word: &str, function: &str) {
    let (place, function) = (
        marked(marker, word),
        format!("behaviour::{}", here!(function)),
    );
    let line = place.line.to_string();
    check(
        span,
        &[
            ("code.file.path", Some(&*place.file)),
            ("code.line.number", Some(&*line)),
            ("code.function.name", Some(&*function)),
            ("code.module.name", None),
        ],
    );
}

#[track]
async fn on_pool(pool: &Pool) {
    sqlx::query(INSERT).execute(pool).await.unwrap(); // @on-pool-insert
    let one = sqlx::query(BY_ID).bind(1_i64);
    one.fetch_one(pool).await.unwrap(); // @on-pool
}

#[track]
async fn helper(connection: &mut DbConnection) {
    sqlx::query(INSERT).execute(connection).await.unwrap(); // @on-lent
}

#[track]
#[instrument(skip_all)]
async fn in_transaction(pool: &Pool) {
    let mut tx = pool.begin().await.unwrap();
    helper(&mut tx).await;
    sqlx::query(ALL).fetch_all(&mut *tx).await.unwrap(); // @in-transaction
    tx.commit().await.unwrap();
}

/// Asks the subscriber about something that no layer wants, as `log::log_enabled!` does.
fn ask_about_something_else() {
    let asked = tracing::callsite! {
        name: "nobody wants this",
        kind: tracing::metadata::Kind::EVENT,
        level: tracing::Level::TRACE,
        fields: message,
    };
    dispatcher::get_default(|subscriber| subscriber.enabled(asked.metadata()));
}

#[test]
fn name_kind_attributes_and_parent() {
    run(
        "name_kind_attributes_and_parent",
        "statements",
        async |pool, exported| {
            on_pool(pool).instrument(info_span!("request")).await;
            let insert = exported.await_one("INSERT exam").await;
            let select = exported.await_one("SELECT exam").await;
            let request = exported.await_one("request").await;
            for span in [&insert, &select] {
                assert_eq!(span.span_kind, SpanKind::Client);
                assert_eq!(span.parent_span_id, request.span_context.span_id());
                assert_eq!(span.status, Status::Unset);
                check(
                    span,
                    &[("error.type", None), ("db.response.status_code", None)],
                );
            }
            check_place(&insert, "on-pool-insert", "execute", "on_pool");
            check_place(&select, "on-pool", "fetch_one", "on_pool");
            check(
                &insert,
                &[
                    ("db.response.returned_rows", None),
                    ("sqlx_leash.rows_affected", Some("1")),
                ],
            );
            let system = exported_system();
            check(
                &select,
                &[
                    ("db.system.name", Some(system)),
                    ("db.query.text", Some(BY_ID)),
                    ("db.query.summary", Some("SELECT exam")),
                    ("db.operation.name", Some("SELECT")),
                    ("db.collection.name", Some("exam")),
                    ("db.response.returned_rows", Some("1")),
                    ("db.client.connection.pool.name", Some(pool.name())),
                    ("sqlx_leash.rows_affected", None),
                ],
            );
            let has_server = system != "sqlite";
            for name in ["server.address", "server.port", "db.namespace"] {
                assert_eq!(
                    attribute(&select, name).is_some(),
                    has_server,
                    "{name}: {select:#?}"
                );
            }
        },
    );
}

fn exported_system() -> &'static str {
    match <Db as sqlx::Database>::NAME {
        "PostgreSQL" => "postgresql",
        "MySQL" => "mysql",
        _ => "sqlite",
    }
}

#[test]
fn in_a_transaction_and_through_a_helper() {
    run(
        "in_a_transaction_and_through_a_helper",
        "statements",
        async |pool, exported| {
            in_transaction(pool).instrument(info_span!("request")).await;
            let insert = exported.await_one("INSERT exam").await;
            let select = exported.await_one("SELECT exam").await;
            let instrumented = exported.await_one("in_transaction").await;
            for span in [&insert, &select] {
                assert_eq!(span.parent_span_id, instrumented.span_context.span_id());
                check(
                    span,
                    &[("db.client.connection.pool.name", Some(pool.name()))],
                );
            }
            check_place(&insert, "on-lent", "execute", "helper");
            check_place(&select, "in-transaction", "fetch_all", "in_transaction");
            check(&select, &[("db.response.returned_rows", Some("1"))]);
            assert_eq!(
                exported.all().len(),
                4,
                "begin and commit are no statements"
            );
        },
    );
}

#[test]
fn an_answer_about_something_else_hides_no_span() {
    run(
        "an_answer_about_something_else_hides_no_span",
        "statements",
        async |pool, exported| {
            let mut connection = pool.acquire().await.unwrap();
            for _ in 0..3 {
                ask_about_something_else();
                sqlx::query(ALL).fetch_all(&mut *connection).await.unwrap();
            }
            exported.await_named(3, "SELECT exam").await;
        },
    );
}

#[test]
fn what_sqlx_logs_is_in_the_span() {
    run(
        "what_sqlx_logs_is_in_the_span",
        "statements",
        async |pool, exported| {
            let logged = |span: &SpanData| {
                let events = span.events.iter();
                events
                    .filter(|event| {
                        let mut attributes = event.attributes.iter();
                        attributes.any(|it| it.value.to_string() == "sqlx::query")
                    })
                    .count()
            };
            // Where a span is open, sqlx's streams would enter that one.
            async {
                sqlx::query(ALL).fetch_all(&**pool).await.unwrap();
                let mut rows = sqlx::query(ALL).fetch(&**pool);
                assert!(rows.next().await.is_none());
                drop(rows);
                let mut connection = pool.acquire().await.unwrap();
                helper(&mut connection).await;
                sqlx::query(ALL).fetch_one(&mut *connection).await.unwrap();
            }
            .instrument(info_span!("request"))
            .await;
            let mut all = exported.await_named(3, "SELECT exam").await;
            all.push(exported.await_one("INSERT exam").await);
            assert!(all.iter().all(|span| logged(span) == 1), "{all:#?}");
        },
    );
}

#[test]
fn errors_have_a_type_and_no_value() {
    #[track]
    async fn fails(pool: &Pool) {
        sqlx::query("SELECT no_such_column FROM exam")
            .execute(pool)
            .await
            .unwrap_err();
        let twice = "INSERT INTO exam (id, name) VALUES (7, 'a secret')";
        sqlx::query(twice).execute(pool).await.unwrap();
        sqlx::query(twice).execute(pool).await.unwrap_err();
    }
    run(
        "errors_have_a_type_and_no_value",
        "statements",
        async |pool, exported| {
            fails(pool).await;
            let wrong = exported.await_one("SELECT exam").await;
            let code = attribute(&wrong, "db.response.status_code").unwrap();
            check(&wrong, &[("error.type", Some(&*code))]);
            let Status::Error { description } = &wrong.status else {
                panic!("{wrong:#?}")
            };
            assert_eq!(
                *description,
                format!("the database reported an error ({code})")
            );
            let inserts = exported.await_named(2, "INSERT exam").await;
            let Status::Error { description } = &inserts[1].status else {
                panic!("{inserts:#?}")
            };
            assert!(
                description.starts_with("unique constraint violated"),
                "{description}"
            );
            assert!(
                !description.contains("secret") && !description.contains('7'),
                "{description}"
            );
            assert_eq!(inserts[0].status, Status::Unset);
        },
    );
}

#[test]
fn a_stream_lasts_to_its_end_or_its_drop() {
    run(
        "a_stream_lasts_to_its_end_or_its_drop",
        "statements",
        async |pool, exported| {
            for _ in 0..3 {
                sqlx::query(INSERT).execute(&**pool).await.unwrap();
            }
            let mut stored = sqlx::query(ALL).fetch(&**pool);
            while stored.try_next().await.unwrap().is_some() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            // It has ended, although its stream is still there.
            let read = exported.await_one("SELECT exam").await;
            assert!(time(&read) >= Duration::from_millis(15), "{read:#?}");
            check(
                &read,
                &[
                    ("db.response.returned_rows", Some("3")),
                    ("error.type", None),
                ],
            );
            drop(stored);

            let mut half = sqlx::query(ALL).fetch(&**pool);
            half.next().await.unwrap().unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
            drop(half);
            let half = exported.await_named(2, "SELECT exam").await.remove(1);
            assert!(time(&half) >= Duration::from_millis(10), "{half:#?}");
            check(
                &half,
                &[
                    ("db.response.returned_rows", Some("1")),
                    ("error.type", Some("cancelled")),
                ],
            );
            assert_eq!(
                half.status,
                Status::Unset,
                "to read no further is no failure"
            );
        },
    );
}

#[test]
fn a_statement_of_untracked_code_has_a_span() {
    run(
        "a_statement_of_untracked_code_has_a_span",
        "statements",
        async |pool, exported| {
            pool.execute(ALL).await.unwrap(); // @untracked
            let span = exported.await_one("SELECT exam").await;
            let place = marked("untracked", "execute");
            check(
                &span,
                &[
                    ("code.file.path", Some(&*place.file)),
                    ("code.line.number", Some(&*place.line.to_string())),
                    ("code.function.name", None),
                ],
            );
            let mut connection = pool.acquire().await.unwrap();
            connection.ping().await.unwrap();
            sqlx::query(ALL).execute(&mut *connection).await.unwrap();
            let span = exported.await_named(2, "SELECT exam").await.remove(1);
            check(
                &span,
                &[("code.file.path", None), ("code.line.number", None)],
            );
        },
    );
}

#[test]
fn transactions_and_operations() {
    #[track]
    async fn commits(pool: &Pool) {
        let mut tx = pool.begin().await.unwrap(); // @begins
        let mut inner = tx.begin().await.unwrap();
        sqlx::query(INSERT).execute(&mut *inner).await.unwrap();
        inner.rollback().await.unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
        tx.commit().await.unwrap(); // @commits
    }
    #[track]
    async fn drops(pool: &Pool) {
        let mut tx = pool.begin().await.unwrap();
        sqlx::query(ALL).execute(&mut *tx).await.unwrap();
    }
    run(
        "transactions_and_operations",
        "all",
        async |pool, exported| {
            commits(pool).instrument(info_span!("request")).await;
            let request = exported.await_one("request").await;
            let transaction = exported.await_one("transaction").await;
            assert_eq!(transaction.span_kind, SpanKind::Internal);
            assert!(time(&transaction) >= Duration::from_millis(10));
            check(&transaction, &[("sqlx_leash.ended_by", Some("commit"))]);
            check_place(
                &transaction,
                "begins",
                "begin",
                "transactions_and_operations::commits",
            );
            let savepoint = exported.await_one("savepoint").await;
            check(&savepoint, &[("sqlx_leash.ended_by", Some("rollback"))]);
            for name in [
                "BEGIN",
                "SAVEPOINT",
                "INSERT exam",
                "ROLLBACK TO SAVEPOINT",
                "COMMIT",
            ] {
                let span = exported.await_one(name).await;
                assert_eq!(span.span_kind, SpanKind::Client, "{span:#?}");
                assert_eq!(span.parent_span_id, request.span_context.span_id());
                // sqlx's SQLite thread leaves a span a moment after its operation.
                assert!(
                    transaction.start_time <= span.start_time
                        && span.start_time <= transaction.end_time
                );
                check(
                    &span,
                    &[
                        ("db.client.connection.pool.name", Some(pool.name())),
                        ("error.type", None),
                    ],
                );
            }
            let commit = exported.await_one("COMMIT").await;
            check_place(
                &commit,
                "commits",
                "commit",
                "transactions_and_operations::commits",
            );
            drops(pool).await;
            let dropped = exported.await_named(2, "transaction").await.remove(1);
            check(
                &dropped,
                &[("sqlx_leash.ended_by", Some("drop")), ("error.type", None)],
            );
        },
    );
}

#[test]
fn the_span_of_a_leaked_transaction_ends_with_its_connection() {
    run(
        "the_span_of_a_leaked_transaction_ends_with_its_connection",
        "all",
        async |pool, exported| {
            let mut connection = pool.acquire().await.unwrap();
            std::mem::forget(connection.begin().await.unwrap());
            connection.close_on_drop();
            drop(connection);
            let leaked = exported.await_one("transaction").await;
            check(&leaked, &[("error.type", Some("cancelled"))]);
        },
    );
}
