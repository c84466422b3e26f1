//! Counts are exact under concurrency, and times belong to the calls.

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use sqlx::{SqlitePool, track};

use crate::common::{HUNDRED, TestPool, poll_at_most, pool, pool_of, rows_of};

use super::check;

/// Many tasks share few connections, and some tasks are cancelled half-way: every call is counted exactly once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn under_concurrency() {
    const TASKS: u64 = 16;
    const ROUNDS: u64 = 50;

    #[track]
    async fn one(pool: &SqlitePool, number: i64) -> i64 {
        sqlx::query_scalar("SELECT ?")
            .bind(number)
            .fetch_one(pool)
            .await
            .unwrap()
    }
    #[track]
    async fn failing(pool: &SqlitePool) {
        sqlx::query("SELECT no_such_column")
            .execute(pool)
            .await
            .unwrap_err();
    }
    #[track]
    async fn in_transaction(pool: &SqlitePool) {
        let mut tx = pool.begin().await.unwrap();
        let rows = sqlx::query(HUNDRED).fetch(&mut *tx).count().await;
        assert_eq!(rows, 100);
        tx.rollback().await.unwrap();
    }
    #[track]
    async fn given_up(pool: &SqlitePool) {
        let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) SELECT i FROM n";
        sqlx::query(sql).fetch_all(pool).await.unwrap();
    }

    let pool = pool_of(4).await;
    let mut tasks = Vec::new();
    for task in 0..TASKS {
        let pool = (*pool).clone();
        tasks.push(tokio::spawn(async move {
            for round in 0..ROUNDS {
                match (task + round) % 3 {
                    0 => {
                        tokio::join!(
                            one(&pool, 1),
                            one(&pool, 2),
                            failing(&pool),
                            in_transaction(&pool)
                        );
                    }
                    1 => {
                        let several: FuturesUnordered<_> =
                            (0..2).map(|number| one(&pool, number)).collect();
                        assert_eq!(several.count().await, 2);
                        failing(&pool).await;
                        in_transaction(&pool).await;
                    }
                    _ => {
                        let spawned = pool.clone();
                        tokio::spawn(async move {
                            one(&spawned, 3).await;
                            one(&spawned, 4).await;
                        })
                        .await
                        .unwrap();
                        failing(&pool).await;
                        in_transaction(&pool).await;
                    }
                }
                let aborted = tokio::spawn({
                    let pool = pool.clone();
                    async move { given_up(&pool).await }
                });
                if round % 2 == 0 {
                    tokio::task::yield_now().await;
                }
                aborted.abort();
                let _ = aborted.await;
                let polls = usize::try_from(round % 7).unwrap();
                poll_at_most(polls, given_up(&pool)).await;
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let rounds = TASKS * ROUNDS;
    check(
        "under_concurrency::one",
        &[(2 * rounds, 2 * rounds, 0, 0, 2 * rounds, 0)],
    );
    check(
        "under_concurrency::failing",
        &[(rounds, 0, rounds, 0, 0, 0)],
    );
    check(
        "under_concurrency::in_transaction",
        &[(rounds, rounds, 0, 0, 100 * rounds, 0)],
    );
    let given_up = rows_of("counters::exact::under_concurrency::given_up").remove(0);
    assert_eq!(
        given_up.calls,
        given_up.ok + given_up.errors + given_up.cancelled,
        "{given_up:?}"
    );
    assert_eq!(given_up.errors, 0);
    assert!(
        given_up.cancelled > 0,
        "some calls were cancelled while they ran: {given_up:?}"
    );
    assert_eq!(given_up.in_flight(), 0);
    assert_eq!(given_up.time.count, given_up.calls);
    let control = pool.stats().control;
    assert_eq!(
        (
            control.begins,
            control.rollbacks,
            control.implicit_rollbacks
        ),
        (rounds, rounds, 0)
    );
    pool.assert_serves_all().await;
}

/// The time and the histogram of a row cover all of its calls.
#[tokio::test]
async fn times_are_those_of_the_calls() {
    #[track]
    async fn timed(pool: &TestPool) {
        for _ in 0..20 {
            sqlx::query("SELECT 1").execute(&**pool).await.unwrap();
        }
    }
    let pool = pool().await;
    timed(&pool).await;
    let row = rows_of("counters::exact::times_are_those_of_the_calls::timed").remove(0);
    let time = row.time;
    assert_eq!(
        (
            row.calls,
            time.count,
            time.buckets.iter().map(|bucket| bucket.count).sum()
        ),
        (20, 20, 20)
    );
    assert!(
        time.min <= time.p50()
            && time.p50() <= time.p95()
            && time.p95() <= time.p99()
            && time.p99() <= time.max,
        "{time:?}"
    );
    assert!(
        time.min * 20 <= time.total && time.total <= time.max * 20,
        "{time:?}"
    );
}
