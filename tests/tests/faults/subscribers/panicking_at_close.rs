//! A subscriber that panics where the last clone of a span of the program is dropped.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::{self, ThreadId};

use futures::FutureExt;
use leash_tests::{TestPool, in_child, until};
use sqlx::pool::PoolConnection;
use sqlx::{Connection, Executor, Sqlite, SqlitePool, track};
use tracing::span::Id;
use tracing::{Instrument, Subscriber, info_span};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use super::Result;
use crate::common::{small, whole_again};

/// Panics when the span `request` is closed on this thread, and counts that.
///
/// sqlx's SQLite has clones of the caller's span on a thread of its own, whose panics nothing catches.
#[derive(Clone)]
struct Panics {
    thread: ThreadId,
    panicked: Arc<AtomicU64>,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Panics {
    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let is_here = thread::current().id() == self.thread;
        let metadata = context.metadata(&id);
        if is_here && metadata.is_some_and(|it| it.name() == "request") {
            self.panicked.fetch_add(1, Relaxed);
            panic!("the subscriber is broken");
        }
    }
}

#[track]
async fn takes(pool: &SqlitePool) -> Result<PoolConnection<Sqlite>> {
    pool.acquire().await
}

/// A connection that is closed when it is dropped, by a handle that has the last clone of the span.
async fn last_of_its_span(pool: &SqlitePool) -> PoolConnection<Sqlite> {
    let request = info_span!("request");
    let mut held = takes(pool).instrument(request).await.unwrap();
    // SQLite's thread drops its clone after it has answered. It has done so before it answers the next command.
    held.ping().await.unwrap();
    held.close_on_drop();
    held
}

async fn unwinds(pool: &SqlitePool) {
    let _held = last_of_its_span(pool).await;
    panic!("as tested");
}

/// Loses a transaction whose handle is gone when the scope returns. Then the scope has the last clone of the span.
#[track]
async fn loses(pool: &TestPool) -> Result {
    let request = info_span!("request");
    let mut tx = pool.begin().instrument(request).await?;
    tx.execute("INSERT INTO exam (name) VALUES ('x')").await?;
    drop(tx);
    until("the permit is free", || pool.stats().returning == 0).await;
    Ok(())
}

#[test]
fn the_drop_of_a_span_disturbs_nothing() {
    let test = "subscribers::panicking_at_close::the_drop_of_a_span_disturbs_nothing";
    in_child(test, &[("SQLX_LEASH", "all=allow")], |runtime| {
        let layer = Panics {
            thread: thread::current().id(),
            panicked: Arc::default(),
        };
        let panicked = Arc::clone(&layer.panicked);
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::set_global_default(subscriber).unwrap();
        runtime.block_on(async {
            let pool = small(1).await;
            let held = last_of_its_span(&pool).await;
            let dropped = catch_unwind(AssertUnwindSafe(|| drop(held)));
            assert!(dropped.is_ok(), "the drop of a handle panicked");
            assert_eq!(panicked.swap(0, Relaxed), 1, "at the drop of a handle");

            let unwound = AssertUnwindSafe(unwinds(&pool)).catch_unwind().await;
            assert_eq!(unwound.unwrap_err().downcast_ref(), Some(&"as tested"));
            assert_eq!(panicked.swap(0, Relaxed), 1, "at a drop while unwinding");

            let request = info_span!("request");
            drop(takes(&pool).instrument(request).await.unwrap());
            until("the return's end", || panicked.load(Relaxed) == 1).await;
            panicked.store(0, Relaxed);

            let lost = AssertUnwindSafe(loses(&pool)).catch_unwind().await;
            lost.expect("the return of a scope panicked").unwrap();
            assert_eq!(panicked.swap(0, Relaxed), 1, "at the return of a scope");
            whole_again(&pool, "a subscriber that panics").await;
        });
    });
}
