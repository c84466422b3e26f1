//! Subscribers that panic.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use futures::FutureExt;
use leash_tests::{in_child, until};
use sqlx::leash::{self, Lint};
use sqlx::{Executor, SqlitePool, track};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::at_fault::{idles, loses_and_unwinds, nests};
use crate::common::{assert_balanced, small, whole_again};

use super::Result;

/// Panics in one of its methods whenever this crate's events reach it, and counts the panics.
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
pub(super) async fn goes_well(pool: &SqlitePool) -> Result {
    let mut tx = pool.begin().await?;
    tx.execute("INSERT INTO exam (name) VALUES ('x')").await?;
    tx.commit().await?;
    sqlx::query("SELECT * FROM exam")
        .fetch_all(pool)
        .await
        .map(drop)
}

#[track]
pub(super) async fn fails(pool: &SqlitePool) -> Result {
    pool.execute("SELECT * FROM nowhere").await.map(drop)
}

/// Unwinds with a running statement, an open transaction and a row stream that is half read.
#[track]
pub(super) async fn unwinds(pool: &SqlitePool) -> Result {
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
        assert!(now > *before, "the subscriber did not panic at {what}");
        *before = now;
    };
    let mut before = 0;
    goes_well(&pool).await.unwrap();
    at_last(&mut before, "a statement that succeeded");
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
        // The second finding comes after the first one's event has panicked on the watchdog's thread.
        let is_found = until("the watchdog's finding", || found(Lint::HeldIdle) == times);
        idles(&pool, is_found).await.unwrap();
        at_last(&mut before, "a finding of the watchdog's");
    }
    assert_eq!(catch_unwind(leash::report).ok(), Some(()));
    at_last(&mut before, "a report");
    for function in [
        "subscribers::panicking::goes_well",
        "subscribers::panicking::fails",
        "at_fault::nests",
        "subscribers::panicking::unwinds",
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
    panics_in(
        "on_event",
        "subscribers::panicking::that_panics_at_each_event",
    );
}

#[test]
fn that_panics_when_asked_for_its_interest() {
    panics_in(
        "enabled",
        "subscribers::panicking::that_panics_when_asked_for_its_interest",
    );
}

#[test]
fn that_panics_when_asked_about_an_event() {
    panics_in(
        "event_enabled",
        "subscribers::panicking::that_panics_when_asked_about_an_event",
    );
}

/// Panics when the program opens a span.
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
        "subscribers::panicking::that_panics_at_a_span_of_the_program",
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
