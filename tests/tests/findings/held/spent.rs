//! The split of a hold's time into busy, idle and lent.

use std::time::{Duration, Instant};

use futures::TryStreamExt;
use sqlx::leash::HandleInfo;
use sqlx::{Executor, SqliteConnection, track};

use crate::common::{self, Gate, HUNDRED, TestPool, pool_of};

use super::waits_for_a_statement;

#[track(held_idle = "300ms")]
async fn reads_and_rests(pool: &TestPool) {
    const REST: Duration = Duration::from_millis(200);
    let begun = Instant::now();
    // If time were counted twice, the sum would exceed the elapsed time.
    let is_split = |handle: &HandleInfo| {
        handle.idle_total >= REST && handle.busy_total + REST <= begun.elapsed()
    };
    let mut conn = pool.acquire().await.unwrap();
    {
        let mut rows = sqlx::query(HUNDRED).fetch(&mut *conn);
        rows.try_next().await.unwrap();
        tokio::time::sleep(REST).await;
        rows.try_next().await.unwrap();
        // The consumer's time is not counted as the database's, neither while the stream is open nor afterwards.
        let open = pool.handles().remove(0);
        assert!(is_split(&open), "{open:#?}");
        assert_eq!(open.stream_rows, 2);
    }
    let closed = pool.handles().remove(0);
    assert!(is_split(&closed), "{closed:#?}");
    {
        let _plain: &mut SqliteConnection = &mut conn;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    conn.execute("SELECT 1").await.unwrap();
    let lent = pool.handles().remove(0);
    assert!(lent.lent_total >= Duration::from_millis(50), "{lent:#?}");
}

#[tokio::test]
async fn a_hold_is_split_into_busy_idle_and_lent() {
    let pool = pool_of(1).await;
    reads_and_rests(&pool).await;
}

#[tokio::test]
async fn a_statement_that_waits_for_the_database_is_busy() {
    let mut gate = Gate::closed().await;
    let pool = gate.pool.clone();
    futures::join!(waits_for_a_statement(&pool), async {
        let busy = || {
            let handles = gate.pool.handles();
            handles.iter().any(|handle| {
                handle.busy_total >= Duration::from_millis(100)
                    && handle.idle_total < Duration::from_millis(100)
            })
        };
        common::until("the statement is busy", busy).await;
        gate.open().await;
    });
}
