//! Subscribers that panic at the spans of this crate.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::Duration;

use futures::FutureExt;
use leash_tests::{TestPool, in_child};
use sqlx::{SqlitePool, track};
use tracing::span::{Attributes, Id, Record};
use tracing::{Instrument, Metadata, Subscriber, info_span};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use super::Result;
use super::panicking::{fails, goes_well, unwinds};
use crate::common::{assert_balanced, small, whole_again};

/// Panics in one of its methods whenever a span of this crate reaches it on this thread, and counts the panics.
///
/// sqlx's SQLite enters the span of its caller on a thread of its own as well, whose panics nothing catches.
#[derive(Clone)]
struct Panics {
    thread: ThreadId,
    method: Arc<Mutex<&'static str>>,
    panicked: Arc<AtomicU64>,
}

impl Panics {
    fn panics(&self, method: &str, metadata: Option<&Metadata<'_>>) {
        let is_here = thread::current().id() == self.thread;
        let is_it = is_here && *self.method.lock().unwrap() == method;
        if is_it && metadata.is_some_and(|it| it.target() == "sqlx_leash::span") {
            self.panicked.fetch_add(1, Relaxed);
            panic!("the subscriber is broken");
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Panics {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.panics("enabled", Some(metadata));
        true
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        self.panics("on_new_span", Some(attributes.metadata()));
    }

    fn on_record(&self, id: &Id, _: &Record<'_>, context: Context<'_, S>) {
        self.panics("on_record", context.metadata(id));
    }

    fn on_follows_from(&self, id: &Id, _: &Id, context: Context<'_, S>) {
        self.panics("on_follows_from", context.metadata(id));
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        self.panics("on_enter", context.metadata(id));
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        self.panics("on_exit", context.metadata(id));
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        self.panics("on_close", context.metadata(&id));
    }
}

#[track]
async fn holds(pool: &SqlitePool) -> Result {
    let _held = pool.acquire().await?;
    tokio::time::sleep(Duration::from_millis(10)).await;
    Ok(())
}

/// Waits for the permit that is held in another span, and is given up the second time.
async fn wait_for_it(pool: &TestPool) {
    for is_given_up in [false, true] {
        let holder = holds(pool).instrument(info_span!("holder"));
        let waiter = async {
            pool.has_handles(1).await;
            if is_given_up {
                let time = Duration::from_millis(5);
                let waited = tokio::time::timeout(time, goes_well(pool)).await;
                waited.unwrap_err();
            } else {
                goes_well(pool).await.unwrap();
            }
        };
        let (held, ()) = tokio::join!(holder, waiter);
        held.unwrap();
    }
}

#[test]
fn no_span_disturbs_what_it_is_of() {
    let test = "subscribers::panicking_at_spans::no_span_disturbs_what_it_is_of";
    let variables = [("SQLX_LEASH", "spans=all,all=allow")];
    in_child(test, &variables, |runtime| {
        let layer = Panics {
            thread: thread::current().id(),
            method: Arc::default(),
            panicked: Arc::default(),
        };
        let subscriber = tracing_subscriber::registry().with(layer.clone());
        tracing::subscriber::set_global_default(subscriber).unwrap();
        let methods = [
            "on_new_span",
            "on_record",
            "on_follows_from",
            "on_enter",
            "on_exit",
            "on_close",
            "enabled",
        ];
        for method in methods {
            *layer.method.lock().unwrap() = method;
            runtime.block_on(async {
                let pool = small(1).await;
                goes_well(&pool).await.unwrap();
                let error = fails(&pool).await.unwrap_err();
                assert!(matches!(error, sqlx::Error::Database(_)), "{error}");
                let unwound = AssertUnwindSafe(unwinds(&pool)).catch_unwind().await;
                assert_eq!(unwound.unwrap_err().downcast_ref(), Some(&"as tested"));
                wait_for_it(&pool).await;
                whole_again(&pool, method).await;
            });
            let panicked = layer.panicked.swap(0, Relaxed);
            assert!(panicked > 0, "{method}");
        }
        for function in ["goes_well", "fails", "unwinds"] {
            assert_balanced(&format!("faults::subscribers::panicking::{function}"));
        }
    });
}
