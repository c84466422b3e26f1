//! Subscribers that send statements.
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::common::{assert_balanced, small};
use leash_tests::{in_child, take_received, until};
use sqlx::leash::{self};
use sqlx::{Executor, SqlitePool, track};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use super::Result;

/// Writes each statement down for which it receives an event, through the pool that sent the statement.
struct WritesDown {
    pool: Arc<OnceLock<SqlitePool>>,
    how: How,
    written: Arc<AtomicU64>,
}

/// Where a subscriber, which cannot await, sends a statement.
#[derive(Clone, Copy)]
enum How {
    /// On the reporting thread, which blocks until the statement ends.
    Here,
    /// On a thread that the subscriber starts; the reporting thread blocks until it ends.
    OnAThread,
    /// In a task that the subscriber spawns and does not await.
    InATask,
}

/// The subscriber's own statement.
const LOG: &str = "INSERT INTO log DEFAULT VALUES";

/// Whether an event is about the subscriber's own statement.
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
            // On other threads the crate does not suppress the events of the subscriber's own statements.
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
            // The task that returns a connection may need the very thread that blocks here: so the pool has room.
            let pool = small(8).await;
            pool.execute("CREATE TABLE log (id INTEGER PRIMARY KEY)")
                .await
                .unwrap();
            slot.set((*pool).clone()).unwrap();
            let theirs = (*pool).clone();
            // In a task: the thread of `block_on` is no worker that could block in place.
            let sends = tokio::spawn(async move { sends_three(&theirs).await });
            sends.await.unwrap().unwrap();
            until("the statements are written down", || {
                written.load(Relaxed) == 3
            })
            .await;
            assert_balanced(&format!("{}::sends_three", module_path!()));
            let found = take_received(pool.name());
            assert!(
                found.is_empty(),
                "the function did not cause the subscriber's statements: {found:#?}"
            );
            let logged = leash::snapshot().sites;
            let logged = logged.iter().find(|row| row.sql == LOG).unwrap();
            assert_eq!(
                (logged.calls, logged.ok, logged.function.as_deref()),
                (3, 3, None)
            );
            pool.close().await;
            assert_eq!(
                written.load(Relaxed),
                3,
                "its own statements are not written down"
            );
        });
        runtime.shutdown_timeout(Duration::from_secs(10));
    });
}

#[test]
fn that_sends_statements_on_the_reporting_thread() {
    writes_down(
        How::Here,
        "subscribers::sending::that_sends_statements_on_the_reporting_thread",
    );
}

#[test]
fn that_sends_statements_on_a_thread() {
    writes_down(
        How::OnAThread,
        "subscribers::sending::that_sends_statements_on_a_thread",
    );
}

#[test]
fn that_sends_statements_in_a_task() {
    writes_down(
        How::InATask,
        "subscribers::sending::that_sends_statements_in_a_task",
    );
}
