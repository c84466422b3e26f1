//! The live handles by the place that took them, as rows and in the table.

use sqlx::leash::{self, HandleExt, SiteHandles};
use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, track};

use crate::common::{Place, TestPool, Tx, full_name, marked, pool_of};

#[derive(Default)]
struct Worker {
    leaked: Vec<Tx>,
    kept: Vec<PoolConnection<Sqlite>>,
}

#[track]
impl Worker {
    #[track(allow(nested_acquire, outlived_scope, reason = "the tests want it"))]
    async fn claim(&mut self, pool: &TestPool) {
        self.leaked.push(pool.begin().await.unwrap()); // @leaked
    }

    #[track(returns_handle, allow(nested_acquire, reason = "the tests want it"))]
    async fn listen(&mut self, pool: &TestPool) {
        let conn = pool.acquire().await.unwrap(); // @kept
        self.kept.push(conn.long_lived("it listens"));
    }
}

fn rows_of(pool: &TestPool) -> Vec<SiteHandles> {
    let mut rows = leash::snapshot().by_site();
    rows.retain(|row| row.pool == pool.name());
    rows
}

#[tokio::test]
async fn a_leak_of_88_of_88_by_one_line_is_one_row() {
    let pool = pool_of(88).await;
    let mut worker = Worker::default();
    for _ in 0..88 {
        worker.claim(&pool).await;
    }
    let rows = rows_of(&pool);
    assert_eq!(rows.len(), 1, "{rows:#?}");
    let row = &rows[0];
    assert_eq!((row.handles, row.max_connections), (88, Some(88)));
    assert_eq!(
        (row.idle_now, row.in_transaction, row.reserved),
        (88, 88, 0)
    );
    assert_eq!(Place::from(&row.site), marked("leaked", "begin"));
    assert_eq!(row.site.function, Some(full_name("live::Worker::claim")));
    // All are read at one moment, and each has lived as long as its parts are.
    let lived = row.busy_total + row.idle_total + row.lent_total;
    assert!(lived <= 88 * row.oldest, "{row:?}");
    assert!(row.idle_share() > 0.0 && row.idle_share() <= 1.0, "{row:?}");

    let table = leash::snapshot().to_string();
    let is_row = |line: &&str| line.trim_start().starts_with("88 of 88  ");
    let line = table.lines().find(is_row).expect("it is seen at a glance");
    assert!(
        line.contains("Worker::claim") && line.contains(&row.site.to_string()),
        "{line}"
    );
    assert!(
        !table.contains("\nhandle of pool "),
        "no line for each: {table}"
    );
}

#[tokio::test]
async fn what_is_meant_to_live_long_comes_last() {
    let pool = pool_of(4).await;
    let mut worker = Worker::default();
    for _ in 0..3 {
        worker.listen(&pool).await;
    }
    worker.claim(&pool).await;
    let rows = rows_of(&pool);
    let seen: Vec<_> = rows
        .iter()
        .map(|row| (Place::from(&row.site), row.handles, row.reserved))
        .collect();
    assert_eq!(
        seen,
        [
            (marked("leaked", "begin"), 1, 0),
            (marked("kept", "acquire"), 3, 3)
        ]
    );
}

/// A place that takes connections of two pools has a row for each, also where their names are the same.
#[tokio::test]
async fn each_pool_has_its_rows() {
    let (one, other) = (pool_of(1).await, pool_of(2).await);
    let mut worker = Worker::default();
    worker.claim(&one).await;
    worker.claim(&other).await;
    worker.claim(&other).await;
    let handles = |pool| {
        rows_of(pool)
            .iter()
            .map(|row| row.handles)
            .collect::<Vec<_>>()
    };
    assert_eq!((handles(&one), handles(&other)), (vec![1], vec![2]));
    assert_eq!(rows_of(&one)[0].pool_id, one.stats().id);
}
