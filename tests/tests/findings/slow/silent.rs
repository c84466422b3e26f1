//! Time that is not the statement's own, and statements that may take long.

use std::time::Duration;

use futures::TryStreamExt;
use sqlx::{SqlitePool, track};

use crate::common::{self, Gate, HUNDRED, TestPool, pool, silent, watched};

#[track(slow_query = "100ms")]
async fn reads_slowly(pool: &TestPool) {
    let mut rows = sqlx::query(HUNDRED).fetch(&**pool);
    for _ in 0..3 {
        rows.try_next().await.unwrap().unwrap();
        watched().await;
    }
    while rows.try_next().await.unwrap().is_some() {}
}

#[tokio::test]
async fn the_consumers_time_is_not_the_statements() {
    let pool = pool().await;
    silent(reads_slowly(&pool)).await;
}

#[track(slow_query = "100ms")]
async fn takes_results_slowly(pool: &TestPool) {
    use sqlx::Executor;
    let mut conn = pool.acquire().await.unwrap();
    let mut results = conn.fetch_many(sqlx::raw_sql(
        "INSERT INTO exam (name) VALUES ('a'); INSERT INTO exam (name) VALUES ('b')",
    ));
    results.try_next().await.unwrap().unwrap();
    watched().await;
    while results.try_next().await.unwrap().is_some() {}
}

#[tokio::test]
async fn the_consumers_time_between_results_is_not_the_statements() {
    let pool = pool().await;
    silent(takes_results_slowly(&pool)).await;
}

#[track(slow_query = "50ms")]
async fn waits_for_a_permit(pool: &TestPool) {
    sqlx::query("SELECT 1").execute(&**pool).await.unwrap();
}

#[tokio::test]
async fn the_wait_for_a_permit_is_not_the_statements() {
    let pool = common::pool_of(1).await;
    let held = pool.acquire().await.unwrap();
    silent(async {
        futures::join!(waits_for_a_permit(&pool), async {
            watched().await;
            drop(held);
        });
    })
    .await;
}

#[track(slow_query = "50ms")]
async fn waits_in_begin(gate: &SqlitePool) {
    let tx = gate.begin_with("BEGIN IMMEDIATE").await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_begin_is_no_statement() {
    let mut gate = Gate::closed().await;
    let pool = gate.pool.clone();
    silent(async {
        futures::join!(waits_in_begin(&pool), async {
            watched().await;
            gate.open().await;
        });
    })
    .await;
}

#[track(slow_query = "1h")]
async fn may_take_long(gate: &SqlitePool) {
    sqlx::query("INSERT INTO exam (name) VALUES ('a')")
        .execute(gate)
        .await
        .unwrap();
}

#[track(allow(slow_query, reason = "the test wants it"), slow_query = "1ms")]
async fn allowed(gate: &SqlitePool) {
    sqlx::query("INSERT INTO exam (name) VALUES ('a')")
        .execute(gate)
        .await
        .unwrap();
}

#[tokio::test]
async fn statements_that_may_take_that_long() {
    for run in [0, 1] {
        let mut gate = Gate::closed().await;
        let pool = gate.pool.clone();
        silent(async {
            let work = async {
                if run == 0 {
                    may_take_long(&pool).await;
                } else {
                    allowed(&pool).await;
                }
            };
            futures::join!(work, async {
                tokio::time::sleep(Duration::from_millis(1100)).await;
                watched().await;
                gate.open().await;
            });
        })
        .await;
    }
}
