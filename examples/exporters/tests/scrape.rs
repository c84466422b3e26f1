//! After a known load, each exporter's page has exactly what the snapshot has: scraped over loopback.

#![cfg(feature = "leash")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, SystemTime};

use exporters::{collector, facade, otel, page};
use opentelemetry::global::BoxedTracer;
use opentelemetry::metrics::MeterProvider;
use opentelemetry::trace::{FutureExt, SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, Value};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use prometheus::TextEncoder;
use prometheus_client::registry::Registry;
use sqlx::leash::{self, PoolExt, PoolStats, Snapshot};
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{Executor, SqlitePool, track};

const POOL: &str = "exams";
const GOOD: u64 = 30;
const WRONG: u64 = 4;
const LEFT: u64 = 3;

/// The three pages, and the spans.
struct Exported {
    facade: SocketAddr,
    otel: SocketAddr,
    collector: SocketAddr,
    spans: InMemorySpanExporter,
    tracer: BoxedTracer,
}

fn export() -> Exported {
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let handle = facade::install().unwrap();

    let registry = prometheus::Registry::new();
    let exporter = opentelemetry_prometheus::exporter().with_registry(registry.clone());
    let reader = exporter.scope_info_enabled(false).build().unwrap();
    let meters = SdkMeterProvider::builder().with_reader(reader).build();
    leash::observe(otel::Metrics::new(&meters.meter("sqlx-leash")));

    let spans = InMemorySpanExporter::default();
    let tracers = SdkTracerProvider::builder()
        .with_simple_exporter(spans.clone())
        .build();
    leash::observe(otel::Spans(tracers.tracer("sqlx-leash")));

    let mut collected = Registry::default();
    collected.register_collector(Box::new(collector::Leash));

    Exported {
        facade: page::serve(loopback, move || handle.render()).unwrap(),
        otel: page::serve(loopback, move || {
            // The provider lives as long as its page.
            let _ = &meters;
            TextEncoder::new()
                .encode_to_string(&registry.gather())
                .unwrap()
        })
        .unwrap(),
        collector: page::serve(loopback, move || {
            let mut text = String::new();
            prometheus_client::encoding::prometheus_text::encode(&mut text, &collected).unwrap();
            text
        })
        .unwrap(),
        spans,
        tracer: BoxedTracer::new(Box::new(tracers.tracer("program"))),
    }
}

#[track]
async fn works(pool: &SqlitePool) -> sqlx::Result<()> {
    use futures_lite::StreamExt;

    for id in 0..GOOD {
        let id = i64::try_from(id).unwrap();
        sqlx::query("SELECT id, name FROM exam WHERE id < ?")
            .bind(id)
            .fetch_all(pool)
            .await?;
    }
    for _ in 0..WRONG {
        assert!(
            pool.execute("INSERT INTO exam VALUES (1, 'x')")
                .await
                .is_err()
        );
    }
    for _ in 0..LEFT {
        let mut rows = sqlx::query("SELECT name FROM exam").fetch(pool);
        rows.next().await.unwrap()?;
    }
    let mut tx = pool.begin().await?;
    sqlx::query("DELETE FROM exam").execute(&mut *tx).await?;
    tx.rollback().await
}

/// A pool of one permit, on which one acquire times out.
async fn pool() -> SqlitePool {
    let options = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(Duration::from_millis(100))
        .idle_timeout(None)
        .max_lifetime(None);
    let pool = options
        .connect("sqlite::memory:")
        .await
        .unwrap()
        .named(POOL);
    pool.execute("CREATE TABLE exam (id INTEGER PRIMARY KEY, name TEXT)")
        .await
        .unwrap();
    for id in 0..10 {
        let insert = sqlx::query("INSERT INTO exam VALUES (?, 'x')").bind(id);
        insert.execute(&pool).await.unwrap();
    }
    let held = pool.acquire().await.unwrap();
    assert!(pool.acquire().await.is_err());
    drop(held);
    pool
}

fn scrape(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    body.to_owned()
}

/// The sum of the samples of this name whose labels contain each of `labels`, as they are written.
fn sum(page: &str, name: &str, labels: &[&str]) -> u64 {
    let samples = page.lines().filter(|line| !line.starts_with('#'));
    let of_name = samples.filter(|line| {
        let end = line.find(['{', ' ']).unwrap_or(line.len());
        &line[..end] == name && labels.iter().all(|label| line.contains(label))
    });
    let values: Vec<f64> = of_name
        .map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap())
        .collect();
    assert!(!values.is_empty(), "{name} {labels:?} is not in\n{page}");
    // Whole numbers, which floats are exact for.
    values
        .into_iter()
        .map(|value| format!("{value:.0}").parse::<u64>().unwrap())
        .sum()
}

/// The ended statements of a summary.
fn ended(snapshot: &Snapshot, summary: &str) -> u64 {
    let rows = snapshot.sites.iter().filter(|row| row.summary == summary);
    rows.map(|row| row.ok + row.errors + row.cancelled).sum()
}

fn check_facade(page: &str, snapshot: &Snapshot, pool: &PoolStats) {
    for row in &snapshot.sites {
        let label = format!("db_query_summary=\"{}\"", row.summary);
        let told = sum(
            page,
            "db_client_operation_duration_seconds_count",
            &[&label],
        );
        assert_eq!(told, ended(snapshot, &row.summary), "{label}");
    }
    let of_pool = "db_client_connection_pool_name=\"exams\"";
    let count = |name: &str| sum(page, name, &[of_pool]);
    assert_eq!(
        count("db_client_connection_wait_time_seconds_count"),
        pool.acquired
    );
    assert_eq!(
        count("db_client_connection_use_time_seconds_count"),
        pool.holds.ended
    );
    assert_eq!(count("db_client_connection_timeouts_total"), pool.timeouts);
    let connections = pool.connections.as_ref().unwrap();
    assert_eq!(
        count("sqlx_leash_connections_opened_total"),
        connections.opened
    );
    let closed = sum(
        page,
        "sqlx_leash_connections_closed_total",
        &[of_pool, "cause=\"program\""],
    );
    assert_eq!(
        (closed, closed),
        (connections.closed, connections.closed_by.program)
    );
    let error = sum(
        page,
        "db_client_operation_duration_seconds_count",
        &["error_type=\"1555\""],
    );
    assert_eq!(error, WRONG);
    let left = sum(
        page,
        "db_client_operation_duration_seconds_count",
        &["error_type=\"cancelled\""],
    );
    assert_eq!(left, LEFT);
    for lint in snapshot.lints.iter().filter(|lint| lint.found > 0) {
        let label = format!("lint=\"{}\"", lint.lint.name());
        assert_eq!(
            sum(page, "sqlx_leash_findings_total", &[&label]),
            lint.found
        );
    }
}

fn check_otel(page: &str, snapshot: &Snapshot, pool: &PoolStats) {
    for row in &snapshot.sites {
        let label = format!("db_query_summary=\"{}\"", row.summary);
        let told = sum(
            page,
            "db_client_operation_duration_seconds_count",
            &[&label],
        );
        assert_eq!(told, ended(snapshot, &row.summary), "{label}");
    }
    let of_pool = "db_client_connection_pool_name=\"exams\"";
    let count = |name: &str| sum(page, name, &[of_pool]);
    assert_eq!(
        count("db_client_connection_wait_time_seconds_count"),
        pool.acquired
    );
    assert_eq!(
        count("db_client_connection_use_time_seconds_count"),
        pool.holds.ended
    );
    assert_eq!(count("db_client_connection_timeouts_total"), pool.timeouts);
    assert_eq!(
        sum(page, "db_client_connection_count", &[of_pool]),
        0,
        "the pool is closed"
    );
    let rows = sum(
        page,
        "db_client_response_returned_rows_sum",
        &["db_operation_name=\"SELECT\""],
    );
    let read: u64 = snapshot.sites.iter().map(|row| row.rows_returned).sum();
    assert_eq!(rows + LEFT, read, "those of the cancelled are not in it");
}

fn check_collector(page: &str, snapshot: &Snapshot, pool: &PoolStats) {
    let outcomes = |outcome: &str| sum(page, "sqlx_leash_statements_total", &[outcome]);
    let all = |count: fn(&leash::SiteStats) -> u64| snapshot.sites.iter().map(count).sum::<u64>();
    assert_eq!(outcomes("outcome=\"ok\""), all(|row| row.ok));
    assert_eq!(outcomes("outcome=\"error\""), all(|row| row.errors));
    assert_eq!(outcomes("outcome=\"cancelled\""), all(|row| row.cancelled));
    let durations = sum(page, "db_client_operation_duration_seconds_count", &[]);
    assert_eq!(durations, all(|row| row.time.count));
    let in_last = sum(
        page,
        "db_client_operation_duration_seconds_bucket",
        &["le=\"+Inf\""],
    );
    assert_eq!(in_last, durations);
    let of_pool = "pool=\"exams\"";
    assert_eq!(
        sum(
            page,
            "db_client_connection_wait_time_seconds_count",
            &[of_pool]
        ),
        pool.acquired
    );
    assert_eq!(
        sum(page, "db_client_connection_timeouts_total", &[of_pool]),
        pool.timeouts
    );
}

/// Each statement has one span, inside the program's own, with its times and its place.
fn check_spans(spans: &[SpanData], snapshot: &Snapshot, began: SystemTime) {
    let statements: Vec<_> = spans
        .iter()
        .filter(|span| span.span_kind == SpanKind::Client)
        .collect();
    let ended: u64 = snapshot
        .sites
        .iter()
        .map(|row| row.ok + row.errors + row.cancelled)
        .sum();
    assert_eq!(statements.len() as u64, ended);
    let parent = spans
        .iter()
        .find(|span| span.name == "the request")
        .unwrap();
    let attribute = |span: &SpanData, key: &str| {
        let mut all = span.attributes.iter();
        all.find(|it| it.key.as_str() == key)
            .map(|it| it.value.clone())
    };
    let inside: Vec<_> = statements
        .iter()
        .filter(|span| attribute(span, "code.function.name") == Some(Value::from("scrape::works")))
        .collect();
    assert_eq!(inside.len() as u64, GOOD + WRONG + LEFT + 1);
    for span in inside {
        assert_eq!(
            span.parent_span_id,
            parent.span_context.span_id(),
            "{span:?}"
        );
        assert!(
            began <= span.start_time && span.start_time <= span.end_time,
            "{span:?}"
        );
        assert!(span.end_time <= SystemTime::now());
        assert_eq!(
            attribute(span, "db.system.name"),
            Some(Value::from("sqlite"))
        );
        assert!(attribute(span, "code.line.number").is_some());
        let failed = attribute(span, "error.type").is_some();
        assert_eq!(
            matches!(span.status, Status::Error { .. }),
            failed,
            "{span:?}"
        );
    }
}

#[test]
fn as_the_snapshot() {
    let exported = export();
    let began = SystemTime::now();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let pool = runtime.block_on(async {
        let pool = pool().await;
        let span = exported.tracer.start("the request");
        let context = Context::current_with_span(span);
        works(&pool).with_context(context.clone()).await.unwrap();
        context.span().end();
        pool.close().await;
        pool
    });
    let snapshot = leash::snapshot();
    let stats = snapshot
        .pools
        .iter()
        .find(|pool| pool.name == POOL)
        .unwrap();
    assert_eq!(
        (stats.timeouts, stats.connections.as_ref().unwrap().closed),
        (1, 1)
    );
    check_facade(&scrape(exported.facade), &snapshot, stats);
    check_otel(&scrape(exported.otel), &snapshot, stats);
    check_collector(&scrape(exported.collector), &snapshot, stats);
    check_spans(
        &exported.spans.get_finished_spans().unwrap(),
        &snapshot,
        began,
    );
    drop(pool);
}
