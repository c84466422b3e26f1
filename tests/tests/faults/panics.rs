//! Tasks that panic while they hold handles and run statements.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Wake, Waker};

use futures::TryStreamExt;
use futures::future::BoxFuture;
use leash_tests::{TestPool, in_child, take_received, until};
use sqlx::leash::ScopeExt;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{Acquire, Executor, SqlitePool, track};
use tokio::runtime::Builder;

use crate::at_fault::idles;
use crate::common::{assert_balanced, listen, small, whole_again};

const INSERT: &str = "INSERT INTO exam (name) VALUES ('x')";

/// Starts the work that is in progress when the task panics.
type Work = fn(SqlitePool) -> BoxFuture<'static, sqlx::Result<()>>;

#[track(allow(
    nested_acquire,
    reason = "a carried task takes a second permit: the subject is its panic"
))]
mod work {
    use super::*;

    pub(super) async fn with_a_connection(pool: SqlitePool) -> sqlx::Result<()> {
        let mut conn = pool.acquire().await?;
        conn.execute(INSERT).await?;
        panic!("as tested");
    }

    pub(super) async fn with_a_transaction(pool: SqlitePool) -> sqlx::Result<()> {
        let mut tx = pool.begin().await?;
        tx.execute(INSERT).await?;
        panic!("as tested");
    }

    pub(super) async fn with_a_savepoint(pool: SqlitePool) -> sqlx::Result<()> {
        let mut tx = pool.begin().await?;
        tx.execute(INSERT).await?;
        let mut savepoint = tx.begin().await?;
        savepoint.execute(INSERT).await?;
        panic!("as tested");
    }

    pub(super) async fn with_a_stream(pool: SqlitePool) -> sqlx::Result<()> {
        let mut rows = sqlx::query("SELECT 1 UNION SELECT 2").fetch(&pool);
        rows.try_next().await?;
        panic!("as tested");
    }

    pub(super) async fn with_a_statement_on_its_way(pool: SqlitePool) -> sqlx::Result<()> {
        let mut tx = pool.begin().await?;
        let sent = tx.execute(INSERT);
        futures::join!(sent, async { panic!("as tested") })
            .0
            .map(drop)
    }

    pub(super) async fn beside_a_wait(pool: SqlitePool) -> sqlx::Result<()> {
        let mut all = Vec::new();
        while let Some(conn) = pool.try_acquire() {
            all.push(conn);
        }
        futures::join!(pool.acquire(), async { panic!("as tested") })
            .0
            .map(drop)
    }

    pub(super) async fn in_a_carried_task(pool: SqlitePool) -> sqlx::Result<()> {
        let tx = pool.begin().await?;
        let carried = with_a_transaction(pool).in_current_scope();
        let ended = tokio::spawn(carried).await;
        drop(tx);
        ended.expect("as tested")
    }
}

#[tokio::test]
async fn leave_nothing_behind() {
    let works: &[(&str, Work)] = &[
        ("with_a_connection", |pool| {
            Box::pin(work::with_a_connection(pool))
        }),
        ("with_a_transaction", |pool| {
            Box::pin(work::with_a_transaction(pool))
        }),
        ("with_a_savepoint", |pool| {
            Box::pin(work::with_a_savepoint(pool))
        }),
        ("with_a_stream", |pool| Box::pin(work::with_a_stream(pool))),
        ("with_a_statement_on_its_way", |pool| {
            Box::pin(work::with_a_statement_on_its_way(pool))
        }),
        ("beside_a_wait", |pool| Box::pin(work::beside_a_wait(pool))),
        ("in_a_carried_task", |pool| {
            Box::pin(work::in_a_carried_task(pool))
        }),
    ];
    listen();
    for (name, work) in works {
        let pool = small(2).await;
        let ended = tokio::spawn(work((*pool).clone())).await;
        assert!(ended.is_err_and(|error| error.is_panic()), "{name}");
        assert_balanced(&format!("{}::work::{name}", module_path!()));
        whole_again(&pool, name).await;
        let found = take_received(pool.name());
        assert!(found.is_empty(), "{name}: {found:#?}");
    }
}

/// Without a runtime no connection can be returned: sqlx panics, and so does tracked code, once.
#[test]
fn without_a_runtime_there_is_one_panic() {
    let drops = |conn: &mut dyn FnMut()| {
        let panicked = catch_unwind(AssertUnwindSafe(conn)).unwrap_err();
        panicked.downcast_ref::<&str>().map(ToString::to_string)
    };
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    for min_connections in 0..=1 {
        let (pool, plain) = runtime.block_on(async {
            let pool = SqlitePoolOptions::new()
                .max_connections(1)
                .min_connections(min_connections)
                .idle_timeout(None)
                .max_lifetime(None);
            let pool = TestPool::new(pool.connect("sqlite::memory:").await.unwrap(), ());
            let plain =
                plain_sqlx::sqlite::SqlitePoolOptions::new().min_connections(min_connections);
            (pool, plain.connect("sqlite::memory:").await.unwrap())
        });
        let (mut tracked_conn, mut plain_conn) =
            runtime.block_on(async { (pool.acquire().await.ok(), plain.acquire().await.ok()) });
        let plain_said = drops(&mut || drop(plain_conn.take()));
        let said = drops(&mut || drop(tracked_conn.take()));
        assert!(said.is_some());
        assert_eq!(said, plain_said);
        runtime.block_on(whole_again(&pool, "a drop outside a runtime"));
    }
}

/// A waker of the program that panics. The flag is set before the panic.
struct Broken(AtomicBool);

impl Wake for Broken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
        panic!("the waker is broken");
    }
}

#[test]
fn in_a_waker_leave_the_watchdog_alone() {
    let test = "panics::in_a_waker_leave_the_watchdog_alone";
    let printed = in_child(test, &[], |runtime| {
        listen();
        runtime.block_on(async {
            let pool = small(1).await;
            let is_woken = async {
                let mut waits = Box::pin(pool.acquire());
                let broken = Arc::new(Broken(AtomicBool::new(false)));
                let waker = Waker::from(Arc::clone(&broken));
                let polled = waits.as_mut().poll(&mut Context::from_waker(&waker));
                assert!(polled.is_pending());
                // The watchdog wakes the waiter to measure how soon its runtime polls it.
                until("the watchdog wakes it", || broken.0.load(Relaxed)).await;
            };
            idles(&pool, is_woken).await.unwrap();
            take_received(pool.name());
            let is_found = until("the watchdog goes on", || {
                !take_received(pool.name()).is_empty()
            });
            idles(&pool, is_found).await.unwrap();
        });
    });
    assert!(
        printed.err.contains("the waker is broken"),
        "{}",
        printed.err
    );
}
