//! Memory is bounded: by call sites, not by texts, by what is alive, not by what was.
//!
//! What lives on the heap of a process is measured after each tenth of many rounds: the last may add nothing to the first.

use std::future::Future;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::future::join_all;
use sqlx::leash::{self, PoolExt, ScopeExt};
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{AssertSqlSafe, Executor, SqlitePool, track};
use tokio::sync::Barrier;

use crate::HEAP;
use crate::child::in_child;
use crate::common::{TestPool, pool_of, rows_of, until};

const TEXTS: u64 = 10_000;

/// Rows of one place for many texts: few, and one of them stands for all that have no row of their own.
#[track_caller]
fn check(rows: &[leash::SiteStats], most: usize) {
    assert!(rows.len() <= most, "{} rows", rows.len());
    assert_eq!(
        rows.iter().map(|row| row.calls).sum::<u64>(),
        TEXTS,
        "every call is counted"
    );
    let shared: Vec<_> = rows.iter().filter(|row| row.texts > 1).collect();
    assert_eq!(shared.len(), 1, "one row is shared");
    let beyond = TEXTS - (rows.len() as u64 - 1);
    // An estimate: three times its standard error of 13 %.
    let [low, high] = [beyond * 61 / 100, beyond * 139 / 100];
    assert!(
        (low..=high).contains(&shared[0].texts),
        "about {beyond} texts share it: {}",
        shared[0].texts
    );
    assert_eq!(shared[0].calls, beyond);
}

#[tokio::test]
async fn many_texts_at_one_place() {
    #[track]
    async fn dynamic(pool: &SqlitePool) -> sqlx::Result<()> {
        let mut connection = pool.acquire().await?;
        for number in 0..TEXTS {
            let sql = AssertSqlSafe(format!("SELECT {number} AS a"));
            sqlx::query(sql)
                .persistent(false)
                .execute(&mut *connection)
                .await?;
        }
        Ok(())
    }
    dynamic(&*pool_of(1).await).await.unwrap();
    check(&rows_of("memory::many_texts_at_one_place::dynamic"), 40);
}

#[test]
fn many_texts_of_untracked_code() {
    let _ = in_child("memory::many_texts_of_untracked_code", &[], |runtime| {
        runtime.block_on(async {
            let pool = pool_of(1).await;
            let mut connection = pool.acquire().await.unwrap();
            for number in 0..TEXTS {
                let sql = AssertSqlSafe(format!("SELECT {number} AS b"));
                sqlx::query(sql)
                    .persistent(false)
                    .execute(&mut *connection)
                    .await
                    .unwrap();
            }
            let mut rows = leash::snapshot().sites;
            rows.retain(|row| {
                row.function.is_none() && (row.texts > 1 || row.sql.ends_with(" AS b"))
            });
            check(&rows, 1100);
        });
    });
}

/// In a process of its own: the tracker's size is a number of the process.
#[test]
fn many_handles_one_after_the_other() {
    #[track]
    async fn round(pool: &TestPool) {
        let mut connection = pool.acquire().await.unwrap();
        connection.execute("SELECT 1").await.unwrap();
        drop(connection);
        let (one, two) = tokio::join!(pool.begin(), pool.acquire());
        drop((one.unwrap(), two.unwrap()));
    }
    let _ = in_child("memory::many_handles_one_after_the_other", &[], |runtime| {
        runtime.block_on(async {
            let pool = pool_of(4).await;
            for _ in 0..10 {
                round(&pool).await;
            }
            // The tracker's, once sqlx has taken back what was dropped.
            let settled = async || {
                let tracker = || leash::snapshot().tracker;
                until("what was dropped is back", || tracker().live == 0).await;
                tracker()
            };
            let early = settled().await;
            assert_eq!(early.scopes, 0);
            for _ in 0..7_000 {
                round(&pool).await;
            }
            assert_eq!(settled().await, early, "as large as after ten rounds");
            assert_eq!(pool.stats().acquired, 3 * 7_010);
            pool.assert_serves_all().await;
            settled().await;
            // While something is held, it is counted.
            let held = pool.acquire().await.unwrap();
            let more = leash::snapshot().tracker;
            assert_eq!(more.live, 1);
            assert!(more.bytes > early.bytes);
            drop(held);
        });
    });
}

/// A pool that is gone leaves nothing behind.
#[test]
fn many_pools_one_after_the_other() {
    let _ = in_child("memory::many_pools_one_after_the_other", &[], |runtime| {
        runtime.block_on(async {
            let mut sizes = Vec::new();
            for _ in 0..30 {
                let pool = pool_of(1).await;
                pool.acquire()
                    .await
                    .unwrap()
                    .execute("SELECT 1")
                    .await
                    .unwrap();
                pool.close().await;
                drop(pool);
                sizes.push(leash::snapshot().tracker);
            }
            assert_eq!((sizes[1].pools, sizes[1].live), (0, 0));
            assert_eq!(sizes[29], sizes[1]);
        });
    });
}

/// What the heap may hold more than before, for buffers that have grown and what is on its way: far less than a byte for
/// each of the rounds that a test repeats.
const SLACK: usize = 32 << 10;

/// Runs `round` ten times as often as `tenth` says, in a process of its own, and compares what is alive after the first tenth
/// and after the last. `round` is given its number. In the end nothing is known of any pool, handle or scope.
#[track_caller]
fn flat<S>(
    test: &str,
    tenth: u32,
    begin: impl AsyncFnOnce() -> S,
    mut round: impl AsyncFnMut(&S, u32),
) {
    let run = async || {
        let state = begin().await;
        let mut sizes = Vec::new();
        for number in 0..tenth * 10 {
            round(&state, number).await;
            if number % tenth == tenth - 1 {
                until("what was dropped is back", || {
                    leash::snapshot().tracker.live == 0
                })
                .await;
                sizes.push(HEAP.allocated());
            }
        }
        assert!(sizes[9] <= sizes[0] + SLACK, "{sizes:?}");
        drop(state);
        until("the last pool is gone", || {
            let snapshot = leash::snapshot();
            let tracker = snapshot.tracker;
            (tracker.pools, tracker.live, tracker.scopes) == (0, 0, 0)
                && snapshot.handles.is_empty()
                && snapshot.waiters.is_empty()
                && snapshot.pools.is_empty()
        })
        .await;
    };
    let _ = in_child(&format!("memory::{test}"), &[], |runtime| {
        runtime.block_on(run());
    });
}

/// Polls a future once, and gives it up.
fn abandon<F: Future>(future: F) {
    let mut future = Box::pin(future);
    let polled = future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Pending), "it has to wait");
}

/// Connections that are closed after some milliseconds, however they are used.
async fn short_lived() -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(1)
        .max_lifetime(Duration::from_millis(5))
        .connect("sqlite::memory:")
        .await
        .unwrap()
}

async fn acquire_and_release(pool: &SqlitePool, number: u32) {
    #[track]
    async fn held(pool: &SqlitePool) {
        drop(pool.acquire().await.unwrap());
    }
    if number.is_multiple_of(2) {
        held(pool).await;
    } else {
        drop(pool.acquire().await.unwrap());
    }
}

#[test]
fn connections_that_live_milliseconds() {
    flat(
        "connections_that_live_milliseconds",
        2_000,
        short_lived,
        async |pool, number| acquire_and_release(pool, number).await,
    );
}

#[test]
#[ignore = "takes minutes"]
fn a_million_on_connections_that_live_milliseconds() {
    flat(
        "a_million_on_connections_that_live_milliseconds",
        100_000,
        short_lived,
        async |pool, number| acquire_and_release(pool, number).await,
    );
}

#[test]
fn connections_closed_on_drop() {
    flat(
        "connections_closed_on_drop",
        50,
        async || pool_of(2).await,
        async |pool, _| {
            let mut connection = pool.acquire().await.unwrap();
            connection.close_on_drop();
        },
    );
}

#[test]
fn ten_thousand_texts() {
    #[track]
    async fn tracked(pool: &SqlitePool, number: u32) {
        let sql = AssertSqlSafe(format!("SELECT {number} AS c"));
        let query = sqlx::query(sql).persistent(false);
        query.execute(pool).await.unwrap();
    }
    flat(
        "ten_thousand_texts",
        1_100,
        async || pool_of(1).await,
        async |pool, number| {
            tracked(pool, number).await;
            // Of untracked code, 1,000 are kept.
            let sql = AssertSqlSafe(format!("SELECT {number} AS d"));
            let query = sqlx::query(sql).persistent(false);
            query.execute(&**pool).await.unwrap();
        },
    );
}

#[test]
fn texts_that_are_long() {
    #[track]
    async fn tracked(pool: &SqlitePool, number: u32) {
        // A name as long as the text: neither is kept as it is.
        let sql = AssertSqlSafe(format!("SELECT {number} AS {}", "e".repeat(1 << 16)));
        let query = sqlx::query(sql).persistent(false);
        query.execute(pool).await.unwrap();
    }
    flat(
        "texts_that_are_long",
        // Of which 32 are kept, in part.
        40,
        async || pool_of(1).await,
        async |pool, number| tracked(pool, number).await,
    );
}

#[test]
fn ten_thousand_scopes_at_once() {
    const SCOPES: usize = 10_000;
    #[track]
    async fn one(pool: &SqlitePool, all_are_in: &Barrier) {
        sqlx::query("SELECT 1").execute(pool).await.unwrap();
        if all_are_in.wait().await.is_leader() {
            assert_eq!(leash::snapshot().tracker.scopes, SCOPES as u64);
        }
        all_are_in.wait().await;
    }
    flat(
        "ten_thousand_scopes_at_once",
        1,
        async || pool_of(1).await,
        async |pool, number| {
            // In the first round and in the last.
            if number % 9 == 0 {
                let all_are_in = Barrier::new(SCOPES);
                join_all((0..SCOPES).map(|_| one(pool, &all_are_in))).await;
            }
            assert_eq!(leash::snapshot().tracker.scopes, 0);
        },
    );
}

#[test]
fn a_million_scopes_one_after_the_other() {
    flat(
        "a_million_scopes_one_after_the_other",
        100_000,
        async || pool_of(1).await,
        async |_, _| {
            // A scope that is entered costs nothing; one that is carried into a branch is made.
            leash::scope("entered", async {
                async {}.in_current_scope().await;
            })
            .await;
        },
    );
}

#[test]
fn names_of_scopes_made_at_run_time() {
    flat(
        "names_of_scopes_made_at_run_time",
        // More than are told apart.
        5_000,
        async || pool_of(1).await,
        async |_, number| {
            // Each as long as its number: these lie in one text, of which nothing leaks.
            const NAMES: &str = match std::str::from_utf8(&[b'x'; 50_000]) {
                Ok(text) => text,
                Err(_) => unreachable!(),
            };
            let name = &NAMES[..number as usize];
            leash::scope(name, async {}).await;
        },
    );
}

#[test]
fn a_hundred_thousand_abandoned_acquires() {
    #[track]
    async fn waits(pool: &SqlitePool) {
        pool.acquire().await.unwrap();
    }
    flat(
        "a_hundred_thousand_abandoned_acquires",
        10_000,
        async || pool_of(1).await,
        async |pool, number| {
            let held = pool.acquire().await.unwrap();
            match number % 3 {
                0 => abandon(waits(pool)),
                1 => abandon(pool.acquire()),
                _ => abandon(pool.begin()),
            }
            drop(held);
        },
    );
}

#[test]
fn a_hundred_thousand_pools() {
    flat(
        "a_hundred_thousand_pools",
        10_000,
        async || (),
        async |(), number| {
            let options = SqlitePoolOptions::new()
                .idle_timeout(None)
                .max_lifetime(None);
            let pool = options.connect_lazy("sqlite::memory:").unwrap();
            let pool = pool.named(format!("pool {number}"));
            if number % 100 == 0 {
                leash::report();
            }
            drop(pool);
        },
    );
}
