//! Tracking without tokio: sqlx runs on smol, and neither counters nor findings depend on the runtime.

use std::sync::Mutex;
use std::task::Poll;
use std::thread;

use futures::StreamExt;
use futures::executor::block_on;
use futures::future::{join_all, poll_fn};
use sqlx::leash::{self, Lint, PoolExt, PoolStats};
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{Connection, Executor, Sqlite, SqlitePool, Transaction, track};

const HUNDRED: &str =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) SELECT i FROM n";

async fn pool(name: &str, max_connections: u32) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(max_connections)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect("sqlite::memory:")
        .await
        .unwrap()
        .named(name)
}

fn stats(name: &str) -> PoolStats {
    let pools = leash::snapshot().pools;
    pools.into_iter().find(|pool| pool.name == name).unwrap()
}

/// Asserts that nothing holds or waits for a permit, and that every permit can be acquired.
async fn assert_whole(pool: &SqlitePool, name: &str) {
    let snapshot = leash::snapshot();
    assert!(snapshot.handles.iter().all(|handle| handle.pool != name));
    assert!(snapshot.waiters.iter().all(|waiter| waiter.pool != name));
    let now = stats(name);
    assert_eq!((now.handles, now.waiting), (0, 0));
    let all = (0..now.max_connections).map(|_| pool.acquire());
    for mut connection in join_all(all).await.into_iter().map(Result::unwrap) {
        // SQLite refuses to begin a transaction inside another, so no connection has an open one.
        connection.execute("BEGIN").await.unwrap();
        connection.execute("ROLLBACK").await.unwrap();
    }
}

/// Polls `future` whenever it wakes, but at most `polls` times, and then drops it.
async fn poll_at_most<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = Box::pin(future);
    let mut left = polls;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

#[track]
async fn everything(pool: &SqlitePool) -> sqlx::Result<usize> {
    let mut tx = pool.begin().await?;
    tx.execute("SELECT 1").await?;
    let mut savepoint = tx.begin().await?;
    savepoint.execute("SELECT 1").await?;
    savepoint.commit().await?;
    tx.rollback().await?;
    let rows = sqlx::query(HUNDRED).fetch(pool).count().await;
    let mut connection = pool.acquire().await?;
    connection.ping().await?;
    connection.close().await?;
    Ok(rows)
}

#[test]
fn statements_are_counted() {
    block_on(async {
        let pool = pool("counted", 2).await;
        let (rows, sent) = leash::testing::counting(everything(&pool)).await;
        assert_eq!((rows.unwrap(), sent), (100, 3));
        let control = stats("counted").control;
        assert_eq!(
            (
                control.begins,
                control.savepoints,
                control.commits,
                control.rollbacks,
                control.pings
            ),
            (1, 1, 1, 1, 1)
        );
        assert_whole(&pool, "counted").await;
    });
}

#[test]
fn leaks_are_found() {
    type Kept = Mutex<Vec<Transaction<'static, Sqlite>>>;
    #[track]
    async fn keeps(pool: &SqlitePool, kept: &Kept) {
        let tx = pool.begin().await.unwrap();
        kept.lock().unwrap().push(tx);
    }
    block_on(async {
        let pool = pool("found", 1).await;
        let kept = Kept::default();
        let ((), findings) = leash::testing::findings(keeps(&pool, &kept)).await;
        let leaks = findings
            .iter()
            .filter(|finding| finding.lint == Lint::OutlivedScope);
        assert_eq!(leaks.count(), 1, "{findings:#?}");
        drop(kept);
        assert_whole(&pool, "found").await;
    });
}

#[test]
fn dropped_at_every_poll() {
    block_on(async {
        let pool = pool("given up", 2).await;
        for polls in 0..1_000 {
            let ended = poll_at_most(polls, everything(&pool)).await;
            assert_whole(&pool, "given up").await;
            if let Some(rows) = ended {
                assert_eq!(rows.unwrap(), 100);
                return;
            }
        }
        panic!("it never ends");
    });
}

/// A handle can be dropped on any thread, because no thread has to be inside a runtime.
#[test]
fn handles_move_between_threads() {
    block_on(async {
        let pool = pool("moved", 3).await;
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let pool = pool.clone();
                thread::spawn(move || {
                    block_on(async {
                        for _ in 0..20 {
                            assert_eq!(everything(&pool).await.unwrap(), 100);
                        }
                    });
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        let tx = pool.begin().await.unwrap();
        thread::spawn(move || drop(tx)).join().unwrap();
        assert_whole(&pool, "moved").await;
        assert_eq!(stats("moved").control.implicit_rollbacks, 1);
        pool.close().await;
        assert_eq!(stats("moved").size, 0);
    });
}
