//! Subscribers that panic, and subscribers that send statements themselves, through the pool whose statements they hear of.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::FutureExt;
use sqlx::leash::{self, Lint};
use sqlx::{Executor, SqlitePool, track};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::at_fault::{idles, loses_and_unwinds, nests};
use crate::child::in_child;
use crate::common::{assert_balanced, heard_of, small, whole_again};
use crate::until::until;

type Result<T = ()> = sqlx::Result<T>;

/// Panics in one of its methods whenever it is asked about this crate's events, and counts.
struct Panics {
    method: &'static str,
    panicked: Arc<AtomicU64>,
}

impl Panics {
    fn panics(&self, method: &str, metadata: &Metadata<'_>) {
        if method == self.method && metadata.target().starts_with("sqlx_leash") {
            self.panicked.fetch_add(1, Relaxed);
            panic!("the subscriber is broken");
        }
    }
}

impl<S: Subscriber> Layer<S> for Panics {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.panics("enabled", metadata);
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        self.panics("event_enabled", event.metadata());
        true
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.panics("on_event", event.metadata());
    }
}

#[track]
async fn goes_well(pool: &SqlitePool) -> Result {
    let mut tx = pool.begin().await?;
    tx.execute("INSERT INTO exam (name) VALUES ('x')").await?;
    tx.commit().await?;
    sqlx::query("SELECT * FROM exam")
        .fetch_all(pool)
        .await
        .map(drop)
}

#[track]
async fn fails(pool: &SqlitePool) -> Result {
    pool.execute("SELECT * FROM nowhere").await.map(drop)
}

/// Ends unwinding with a statement on its way, a transaction open and a row stream half read.
#[track]
async fn unwinds(pool: &SqlitePool) -> Result {
    let mut tx = pool.begin().await?;
    tx.execute("INSERT INTO exam (name) VALUES ('x')").await?;
    let mut rows = sqlx::query(ENDLESS).fetch(&mut *tx);
    futures::TryStreamExt::try_next(&mut rows).await?;
    panic!("as tested");
}

const ENDLESS: &str =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";

fn found(lint: Lint) -> usize {
    let lints = leash::snapshot().lints;
    let row = lints.iter().find(|row| row.lint == lint).unwrap();
    usize::try_from(row.found).unwrap()
}

async fn is_survived(panicked: &AtomicU64) {
    let pool = small(2).await;
    let at_last = |before: &mut u64, what: &str| {
        let now = panicked.load(Relaxed);
        assert!(now > *before, "the subscriber has not heard of {what}");
        *before = now;
    };
    let mut before = 0;
    goes_well(&pool).await.unwrap();
    at_last(&mut before, "what went well");
    let error = fails(&pool).await.unwrap_err();
    assert!(matches!(error, sqlx::Error::Database(_)), "{error}");
    at_last(&mut before, "an error");
    nests(&pool).await.unwrap();
    at_last(&mut before, "a finding");
    let unwound = AssertUnwindSafe(unwinds(&pool)).catch_unwind().await;
    assert_eq!(unwound.unwrap_err().downcast_ref(), Some(&"as tested"));
    at_last(&mut before, "a statement given up while unwinding");
    let kept = std::sync::Mutex::default();
    let unwound = AssertUnwindSafe(loses_and_unwinds(&pool, &kept))
        .catch_unwind()
        .await;
    assert_eq!(unwound.unwrap_err().downcast_ref(), Some(&"as tested"));
    assert_eq!(found(Lint::OutlivedScope), 1);
    at_last(&mut before, "a finding while unwinding");
    drop(kept);
    for times in 1..=2 {
        // The second is found after the first has panicked on the watchdog's thread.
        let is_found = until("the watchdog's finding", || found(Lint::HeldIdle) == times);
        idles(&pool, is_found).await.unwrap();
        at_last(&mut before, "a finding of the watchdog's");
    }
    assert_eq!(catch_unwind(leash::report).ok(), Some(()));
    at_last(&mut before, "a report");
    for function in [
        "subscribers::goes_well",
        "subscribers::fails",
        "at_fault::nests",
        "subscribers::unwinds",
        "at_fault::loses_and_unwinds",
    ] {
        assert_balanced(&format!("faults::{function}"));
    }
    whole_again(&pool, "a subscriber that panics").await;
}

fn panics_in(method: &'static str, test: &str) {
    in_child(test, &[], |runtime| {
        let panicked = Arc::new(AtomicU64::new(0));
        let layer = Panics {
            method,
            panicked: Arc::clone(&panicked),
        };
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer))
            .unwrap();
        runtime.block_on(is_survived(&panicked));
    });
}

#[test]
fn that_panics_at_each_event() {
    panics_in("on_event", "subscribers::that_panics_at_each_event");
}

#[test]
fn that_panics_when_asked_what_it_wants() {
    panics_in(
        "enabled",
        "subscribers::that_panics_when_asked_what_it_wants",
    );
}

#[test]
fn that_panics_when_asked_whether_it_wants_an_event() {
    panics_in(
        "event_enabled",
        "subscribers::that_panics_when_asked_whether_it_wants_an_event",
    );
}

/// Panics in the program's own spans.
struct PanicsAtSpans;

impl<S: Subscriber> Layer<S> for PanicsAtSpans {
    fn on_new_span(&self, _: &tracing::span::Attributes<'_>, _: &tracing::Id, _: Context<'_, S>) {
        panic!("the subscriber is broken");
    }
}

#[track]
async fn makes_a_span(pool: &SqlitePool) -> Result {
    let mut tx = pool.begin().await?;
    tx.execute("INSERT INTO exam (name) VALUES ('x')").await?;
    let _span = tracing::info_span!("of the program").entered();
    unreachable!("it panics");
}

#[test]
fn that_panics_at_a_span_of_the_program() {
    in_child(
        "subscribers::that_panics_at_a_span_of_the_program",
        &[],
        |runtime| {
            tracing::subscriber::set_global_default(
                tracing_subscriber::registry().with(PanicsAtSpans),
            )
            .unwrap();
            runtime.block_on(async {
                let pool = small(1).await;
                for _ in 0..3 {
                    let unwound = AssertUnwindSafe(makes_a_span(&pool)).catch_unwind().await;
                    unwound.unwrap_err();
                }
                assert_balanced(&format!("{}::makes_a_span", module_path!()));
                whole_again(&pool, "a subscriber that panics").await;
            });
        },
    );
}

/// Writes down each statement that it hears of, through the pool that it was sent through.
struct WritesDown {
    pool: Arc<OnceLock<SqlitePool>>,
    how: How,
    written: Arc<AtomicU64>,
}

/// How a subscriber, which cannot wait, sends a statement.
#[derive(Clone, Copy)]
enum How {
    /// On the thread that tells it, which waits.
    Here,
    /// On a thread of its own, and the one that tells it waits.
    OnAThread,
    /// In a task, for which nobody waits.
    InATask,
}

/// Its own statement.
const LOG: &str = "INSERT INTO log DEFAULT VALUES";

/// Whether an event is about a statement of its own.
struct IsOwn(bool);

impl tracing::field::Visit for IsOwn {
    fn record_debug(&mut self, _: &tracing::field::Field, _: &dyn std::fmt::Debug) {}

    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        self.0 |= field.name() == "db.query.text" && value == LOG;
    }
}

impl<S: Subscriber> Layer<S> for WritesDown {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let Some(pool) = self.pool.get() else { return };
        if event.metadata().target() != "sqlx_leash::query" {
            return;
        }
        if !matches!(self.how, How::Here) {
            // Elsewhere nothing but this keeps it from hearing of itself.
            let mut own = IsOwn(false);
            event.record(&mut own);
            if own.0 {
                return;
            }
        }
        let (pool, written) = (pool.clone(), Arc::clone(&self.written));
        let write = async move {
            pool.execute(LOG).await.unwrap();
            written.fetch_add(1, Relaxed);
        };
        match self.how {
            How::Here => futures::executor::block_on(write),
            How::OnAThread => {
                let runtime = tokio::runtime::Handle::current();
                let writes = std::thread::spawn(move || runtime.block_on(write));
                writes.join().unwrap();
            }
            How::InATask => drop(tokio::spawn(write)),
        }
    }
}

#[track(max_queries = 3)]
async fn sends_three(pool: &SqlitePool) -> Result {
    for _ in 0..3 {
        let mut conn = pool.acquire().await?;
        conn.execute("SELECT * FROM exam").await?;
        drop(conn);
    }
    Ok(())
}

fn writes_down(how: How, test: &str) {
    in_child(test, &[], |_| {
        let (slot, written) = (Arc::new(OnceLock::new()), Arc::new(AtomicU64::new(0)));
        let layer = WritesDown {
            pool: Arc::clone(&slot),
            how,
            written: Arc::clone(&written),
        };
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer))
            .unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            // What is on its way back may be waiting for the very thread that waits here.
            let pool = small(8).await;
            pool.execute("CREATE TABLE log (id INTEGER PRIMARY KEY)")
                .await
                .unwrap();
            slot.set((*pool).clone()).unwrap();
            let theirs = (*pool).clone();
            // In a task: where `block_on` stands there is no worker that could wait.
            let sends = tokio::spawn(async move { sends_three(&theirs).await });
            sends.await.unwrap().unwrap();
            until("they are written down", || written.load(Relaxed) == 3).await;
            assert_balanced(&format!("{}::sends_three", module_path!()));
            let found = heard_of(pool.name());
            assert!(
                found.is_empty(),
                "what the subscriber does is not the function's doing: {found:#?}"
            );
            let logged = leash::snapshot().sites;
            let logged = logged.iter().find(|row| row.sql == LOG).unwrap();
            assert_eq!(
                (logged.calls, logged.ok, logged.function.as_deref()),
                (3, 3, None)
            );
            pool.close().await;
            assert_eq!(written.load(Relaxed), 3, "it does not hear of itself");
        });
        runtime.shutdown_timeout(Duration::from_secs(10));
    });
}

#[test]
fn that_sends_statements_where_it_is_told() {
    writes_down(
        How::Here,
        "subscribers::that_sends_statements_where_it_is_told",
    );
}

#[test]
fn that_sends_statements_on_a_thread() {
    writes_down(
        How::OnAThread,
        "subscribers::that_sends_statements_on_a_thread",
    );
}

#[test]
fn that_sends_statements_in_a_task() {
    writes_down(How::InATask, "subscribers::that_sends_statements_in_a_task");
}
