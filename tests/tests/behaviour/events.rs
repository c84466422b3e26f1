//! What goes to `tracing`: statements, findings in the span of their handle, the start line, the report.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};

use futures::{StreamExt, TryStreamExt};
use sqlx::leash::{self, Config, PoolExt};
use sqlx::postgres::PgPoolOptions;
use sqlx::{Executor, SqlitePool, track};
use tokio::time::Duration;
use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Instrument, Level, Subscriber, info_span, instrument};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use crate::child::in_child;
use crate::common::{HUNDRED, Tx, full_name, marked, poll_until, pool, until};

/// One event, as text.
#[derive(Clone, Debug)]
struct Seen {
    target: &'static str,
    level: Level,
    /// The span it stands in, and those around it, outermost first.
    spans: Vec<&'static str>,
    fields: BTreeMap<&'static str, String>,
}

impl Seen {
    #[track_caller]
    fn field(&self, name: &str) -> &str {
        self.fields
            .get(name)
            .unwrap_or_else(|| panic!("no field `{name}`: {self:#?}"))
    }
}

/// An event's fields, as text.
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

/// A layer that keeps the events of this crate.
#[derive(Clone, Default)]
struct Collected(Arc<Mutex<Vec<Seen>>>);

impl Collected {
    /// Collects on this thread while the guard lives.
    fn start() -> (Self, DefaultGuard) {
        let collected = Self::default();
        let guard = tracing::subscriber::set_default(
            tracing_subscriber::registry().with(collected.clone()),
        );
        (collected, guard)
    }

    fn of(&self, target: &str) -> Vec<Seen> {
        let seen = self.0.lock().unwrap();
        seen.iter()
            .filter(|seen| seen.target == target)
            .cloned()
            .collect()
    }

    /// The statements sent by `function`.
    fn queries_of(&self, function: &str) -> Vec<Seen> {
        let function = full_name(function);
        let mut queries = self.of("sqlx_leash::query");
        queries.retain(|seen| seen.fields.get("code.function.name") == Some(&function));
        queries
    }

    /// All of it, as one text.
    fn text(&self) -> String {
        self.0
            .lock()
            .unwrap()
            .iter()
            .fold(String::new(), |mut text, seen| {
                writeln!(text, "{seen:?}").unwrap();
                text
            })
    }
}

impl<S: Subscriber + for<'s> LookupSpan<'s>> Layer<S> for Collected {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if !event.metadata().target().starts_with("sqlx_leash") {
            return;
        }
        let mut fields = Fields(BTreeMap::new());
        event.record(&mut fields);
        let spans = context
            .event_scope(event)
            .map(|scope| scope.from_root().map(|span| span.name()).collect());
        self.0.lock().unwrap().push(Seen {
            target: event.metadata().target(),
            level: *event.metadata().level(),
            spans: spans.unwrap_or_default(),
            fields: fields.0,
        });
    }
}

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

    let queries = collected.queries_of("events::one_event_for_each_statement::statements");
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
        .queries_of("events::one_event_for_each_statement::half")
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

/// Above or below `#[instrument]`, a statement's event stands in the function's span.
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
    let module = "events::statements_stand_in_the_span_of_their_function";
    for function in ["above", "below"] {
        let queries = collected.queries_of(&format!("{module}::{function}"));
        assert_eq!(queries.len(), 1);
        assert_eq!(queries[0].spans, ["request", function]);
    }
}

/// As in sqlx, a stream of the pool stands in the span in which it was made: when it is read, and when it is given up.
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
    let queries = collected.queries_of("events::a_stream_of_the_pool_stays_in_its_span::read");
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

/// A finding is told in the span in which its handle was taken, wherever it is found.
#[tokio::test]
async fn findings_stand_in_the_span_of_the_acquire() {
    static KEPT: Mutex<Vec<Tx>> = Mutex::new(Vec::new());
    #[track(warn(outlived_scope))]
    async fn loses_later(pool: &SqlitePool) {
        let tx = async { pool.begin().await.unwrap() } // @span
            .instrument(info_span!("acquiring"))
            .await;
        KEPT.lock().unwrap().push(tx);
    }
    #[track]
    #[instrument(skip_all)]
    async fn takes(pool: &SqlitePool) -> Tx {
        pool.begin().await.unwrap()
    }
    #[track(warn(outlived_scope))]
    async fn loses_what_was_handed_up(pool: &SqlitePool) {
        let tx = takes(pool).await;
        KEPT.lock().unwrap().push(tx);
    }
    let pool = pool().await;
    let (collected, _guard) = Collected::start();
    loses_later(&pool).instrument(info_span!("request")).await;
    loses_what_was_handed_up(&pool)
        .instrument(info_span!("request"))
        .await;
    let mut findings = collected.of("sqlx_leash::finding");
    findings.retain(|seen| seen.field("lint") == "outlived_scope");
    assert_eq!(findings.len(), 2, "{findings:#?}");
    assert_eq!(findings[0].spans, ["request", "acquiring"]);
    assert_eq!(findings[1].spans, ["request", "takes"]);
    let place = marked("span", "begin");
    assert_eq!(findings[0].level, Level::WARN);
    assert_eq!(findings[0].field("level"), "warn");
    assert_eq!(findings[0].field("certainty"), "certain");
    assert_eq!(findings[0].field("code.file.path"), place.file);
    assert_eq!(
        findings[0].field("code.line.number"),
        place.line.to_string()
    );
    assert_eq!(
        findings[0].field("db.client.connection.pool.name"),
        pool.name()
    );
    let function = full_name("events::findings_stand_in_the_span_of_the_acquire::loses_later");
    assert_eq!(findings[0].field("code.function.name"), function);
    assert!(
        findings[0].field("message").contains(&function),
        "{:#?}",
        findings[0]
    );
}

/// A scope that ends by cancellation must not panic: at deny it tells at ERROR.
#[tokio::test]
async fn a_denied_finding_of_a_cancelled_scope_is_an_error() {
    static KEPT: Mutex<Vec<Tx>> = Mutex::new(Vec::new());
    #[track(deny(outlived_scope))]
    async fn cancelled(pool: &SqlitePool) {
        let tx = pool.begin().await.unwrap();
        KEPT.lock().unwrap().push(tx);
        std::future::pending::<()>().await;
    }
    let pool = pool().await;
    let (collected, _guard) = Collected::start();
    poll_until(cancelled(&pool), || !KEPT.lock().unwrap().is_empty()).await;
    let findings = collected.of("sqlx_leash::finding");
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!(
        (findings[0].level, findings[0].field("level")),
        (Level::ERROR, "deny")
    );
}

/// One line for the process, one for each pool that is used, and no password in any.
#[test]
fn the_start_line_has_no_password() {
    let _ = in_child("events::the_start_line_has_no_password", &[], |runtime| {
        let _inside = runtime.enter();
        let (collected, _guard) = Collected::start();
        let url = "postgres://somebody:hunter2@localhost:1/clinic?application_name=x";
        let options = || {
            PgPoolOptions::new()
                .max_connections(7)
                .acquire_timeout(Duration::from_millis(1))
        };
        let first = options().connect_lazy(url).unwrap();
        let second = options().connect_lazy(url).unwrap().named("reports");
        for pool in [&first, &first.clone(), &second] {
            runtime.block_on(pool.acquire()).unwrap_err();
        }
        let lines = collected.of("sqlx_leash");
        assert_eq!(
            lines.len(),
            3,
            "one for the process, one for each pool: {lines:#?}"
        );
        assert!(lines.iter().all(|line| line.level == Level::INFO));
        for line in &lines[1..] {
            assert_eq!(line.field("db.system.name"), "postgresql");
            assert_eq!(line.field("db.namespace"), "clinic");
            assert_eq!(line.field("max_connections"), "7");
            assert!(line.field("code.file.path").ends_with("events.rs"));
        }
        assert_eq!(
            lines[1].field("db.client.connection.pool.name"),
            "localhost:1/clinic"
        );
        assert_eq!(lines[2].field("db.client.connection.pool.name"), "reports");
        let text =
            collected.text() + &format!("{:?}", leash::snapshot()) + &leash::snapshot().to_string();
        assert!(
            !text.contains("hunter2") && !text.contains("somebody"),
            "{text}"
        );
    });
}

/// In a process of its own: a report tells of the whole process what the last one did not.
#[test]
fn a_report_tells_pools_and_call_sites() {
    #[track]
    async fn reported(pool: &SqlitePool) {
        sqlx::query("SELECT 1").execute(pool).await.unwrap(); // @reported
    }
    let _ = in_child(
        "events::a_report_tells_pools_and_call_sites",
        &[],
        |runtime| {
            let (collected, _guard) = Collected::start();
            runtime.block_on(async {
                let (busy, idle) = (pool().await, pool().await);
                leash::report();
                collected.0.lock().unwrap().clear();
                for _ in 0..3 {
                    reported(&busy).await;
                }
                let held = busy.acquire().await.unwrap();
                leash::report();
                let pools = collected.of("sqlx_leash::pool");
                assert_eq!(pools.len(), 2, "{pools:#?}");
                assert!(pools.iter().all(|seen| seen.level == Level::INFO));
                assert_eq!(
                    pools[0].field("db.client.connection.pool.name"),
                    busy.name()
                );
                assert_eq!(
                    (
                        pools[0].field("acquired"),
                        pools[0].field("held"),
                        pools[0].field("waiting")
                    ),
                    ("4", "1", "0")
                );
                assert!(
                    pools[1].field("message").contains(idle.name()),
                    "idle pools share a line: {pools:#?}"
                );
                let sites = collected.of("sqlx_leash::sites");
                assert_eq!(sites.len(), 1, "{sites:#?}");
                assert_eq!(
                    (sites[0].field("calls"), sites[0].field("db.query.summary")),
                    ("3", "SELECT")
                );
                assert_eq!(
                    sites[0].field("code.line.number"),
                    marked("reported", "execute").line.to_string()
                );
                drop(held);

                // The next one tells what came since.
                collected.0.lock().unwrap().clear();
                reported(&busy).await;
                leash::report();
                assert_eq!(collected.of("sqlx_leash::sites")[0].field("calls"), "1");
                collected.0.lock().unwrap().clear();
                leash::report();
                assert_eq!(collected.of("sqlx_leash::sites").len(), 0);
            });
        },
    );
}

#[test]
fn the_reporter_reports_by_itself() {
    let variables = [("SQLX_LEASH", "report=10ms")];
    let _ = in_child(
        "events::the_reporter_reports_by_itself",
        &variables,
        |runtime| {
            let collected = Collected::default();
            // The reporter has a thread of its own.
            tracing::subscriber::set_global_default(
                tracing_subscriber::registry().with(collected.clone()),
            )
            .unwrap();
            let pool = runtime.block_on(pool());
            leash::spawn_reporter();
            leash::spawn_reporter();
            while collected.of("sqlx_leash::pool").len() < 2 {
                std::thread::yield_now();
            }
            drop(pool);
        },
    );
}

/// The interval may be set while the reporter sleeps.
#[test]
fn the_reporter_hears_of_another_interval() {
    fn sleeps() -> bool {
        std::fs::read_dir("/proc/self/task").unwrap().any(|task| {
            let status = std::fs::read_to_string(task.unwrap().path().join("status"));
            // The kernel cuts the name short.
            status.is_ok_and(|it| it.contains("sqlx-leash-repo") && it.contains("State:\tS"))
        })
    }
    let test = "events::the_reporter_hears_of_another_interval";
    let _ = in_child(test, &[], |runtime| {
        let collected = Collected::default();
        let subscriber = tracing_subscriber::registry().with(collected.clone());
        tracing::subscriber::set_global_default(subscriber).unwrap();
        let every = |interval| Config::new().report_every(interval).install();
        runtime.block_on(async {
            let pool = pool().await;
            every(Duration::from_hours(1));
            leash::spawn_reporter();
            until("it sleeps", sleeps).await;
            every(Duration::from_millis(10));
            until("it reports", || collected.of("sqlx_leash::pool").len() > 1).await;
            drop(pool);
        });
    });
}

/// The table names what the counters count.
#[tokio::test]
async fn the_table_has_a_row_for_each_call_site() {
    #[track(name = "a row of the table")]
    async fn in_table(pool: &SqlitePool) {
        sqlx::query("SELECT 'in the table'")
            .execute(pool) // @table
            .await
            .unwrap();
    }
    let pool = pool().await;
    in_table(&pool).await;
    let _held = pool.acquire().await.unwrap();
    let table = leash::snapshot().to_string();
    let place = marked("table", "execute");
    let row = table
        .lines()
        .find(|line| line.contains("a row of the table"))
        .expect("it has a row");
    assert!(
        row.contains(&format!("{}:{}:{}", place.file, place.line, place.column)),
        "{row}"
    );
    assert!(table.contains(pool.name()), "{table}");
}
