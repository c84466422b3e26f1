//! A small program whose instructions are counted, run by `off/tests/instructions.rs`.

use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use sqlx::pool::PoolConnection;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{Executor, Sqlite, SqlitePool};

const CONNECTIONS: u32 = 8;

/// The way of a query and of an acquire through sqlx, as far as it is the same in every run: SQLite works in a thread of
/// its own, and how often two threads wait for each other depends on the clock. So the queries end at a closed pool, and
/// the acquires find an idle connection that is not tested.
#[inline(never)]
fn counted_steps(
    closed: &SqlitePool,
    open: &SqlitePool,
    acquired: &mut Vec<PoolConnection<Sqlite>>,
) -> usize {
    let mut context = Context::from_waker(Waker::noop());
    let mut refused = 0;
    for number in 0..100 {
        let query = sqlx::query("SELECT ?").bind(number).execute(closed);
        refused += usize::from(matches!(
            pin!(query).poll(&mut context),
            Poll::Ready(Err(_))
        ));
        let scalar = sqlx::query_scalar::<_, i64>("SELECT ?")
            .bind(number)
            .fetch_one(closed);
        refused += usize::from(matches!(
            pin!(scalar).poll(&mut context),
            Poll::Ready(Err(_))
        ));
        let begin = closed.begin();
        refused += usize::from(matches!(
            pin!(begin).poll(&mut context),
            Poll::Ready(Err(_))
        ));
        drop(black_box(closed.fetch("SELECT 1")));
    }
    for _ in 0..CONNECTIONS {
        let Poll::Ready(Ok(conn)) = pin!(open.acquire()).poll(&mut context) else {
            panic!("a connection is idle")
        };
        acquired.push(conn);
    }
    refused
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (closed, open) = runtime.block_on(async {
        let open = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS)
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect("sqlite::memory:")
            .await
            .unwrap();
        let mut all = Vec::new();
        for _ in 0..CONNECTIONS {
            all.push(open.acquire().await.unwrap());
        }
        for mut conn in all {
            conn.return_to_pool().await;
        }
        let closed = SqlitePool::connect("sqlite::memory:").await.unwrap();
        let answer: i64 = sqlx::query_scalar("SELECT 42")
            .fetch_one(&closed)
            .await
            .unwrap();
        assert_eq!(answer, 42);
        closed.close().await;
        (closed, open)
    });
    let _inside = runtime.enter();
    let mut acquired = Vec::with_capacity(CONNECTIONS as usize);
    assert_eq!(counted_steps(&closed, &open, &mut acquired), 300);
    assert_eq!(acquired.len(), acquired.capacity());
}
