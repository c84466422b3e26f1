//! No `held_idle` finding.

use std::time::Duration;

use futures::TryStreamExt;
use sqlx::leash::HandleExt;
use sqlx::leash::testing::findings;
use sqlx::{Connection, Executor, SqliteConnection, SqlitePool, track};

use crate::common::{self, Gate, HUNDRED, TestPool, pool, pool_of, silent, watched};

use super::waits_for_a_statement;

#[tokio::test]
async fn a_statement_that_runs_is_no_idling() {
    let mut gate = Gate::closed().await;
    let pool = gate.pool.clone();
    silent(async {
        futures::join!(waits_for_a_statement(&pool), async {
            watched().await;
            watched().await;
            gate.open().await;
        });
    })
    .await;
}

#[track(held_idle = "50ms")]
async fn waits_in_begin(gate: &SqlitePool) {
    let tx = gate.begin_with("BEGIN IMMEDIATE").await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_begin_that_waits_is_no_idling() {
    let mut gate = Gate::closed().await;
    let pool = gate.pool.clone();
    silent(async {
        futures::join!(waits_in_begin(&pool), async {
            watched().await;
            watched().await;
            gate.open().await;
        });
    })
    .await;
}

async fn plain_code(_connection: &mut SqliteConnection) {
    watched().await;
}

#[track(held_idle = "50ms")]
async fn lends(pool: &TestPool) {
    let mut conn = pool.acquire().await.unwrap();
    plain_code(&mut conn).await;
    drop(conn);
    let mut tx = pool.begin().await.unwrap();
    plain_code(&mut tx).await;
}

#[tokio::test]
async fn a_lent_connection_is_not_judged() {
    let pool = pool().await;
    silent(lends(&pool)).await;
}

#[track(held_idle = "50ms")]
async fn keeps_on_purpose(pool: &TestPool) {
    let conn = pool
        .acquire()
        .await
        .unwrap()
        .long_lived("the test wants it");
    watched().await;
    drop(conn);
    let _tx = pool.begin().await.unwrap().long_lived("the test wants it");
    watched().await;
}

#[tokio::test]
async fn a_long_lived_handle_is_not_judged() {
    let pool = pool().await;
    silent(keeps_on_purpose(&pool)).await;
}

#[track(held_idle = "2s")]
async fn reads_slowly(pool: &TestPool) {
    let mut rows = sqlx::query(HUNDRED).fetch(&**pool);
    // Three seconds in all, and no pause longer than a tenth of a second.
    for _ in 0..30 {
        rows.try_next().await.unwrap().unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_stream_that_is_read_slowly_but_steadily() {
    let pool = pool().await;
    silent(reads_slowly(&pool)).await;
}

#[track(held_idle = "2s")]
async fn uses_often(pool: &TestPool) {
    let mut conn = pool.acquire().await.unwrap();
    for _ in 0..30 {
        conn.execute("SELECT 1").await.unwrap();
        conn.ping().await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn many_short_uses() {
    let pool = pool().await;
    silent(uses_often(&pool)).await;
}

#[track(held_idle = "50ms")]
async fn queries_the_pool(pool: &TestPool) {
    sqlx::query("SELECT 1").execute(&**pool).await.unwrap();
    watched().await;
    sqlx::query(HUNDRED).fetch_all(&**pool).await.unwrap();
    watched().await;
    {
        let conn = pool.acquire().await.unwrap();
        drop(conn);
    }
    watched().await;
    let mut tx = pool.begin().await.unwrap();
    tx.execute("SELECT 1").await.unwrap();
    tx.commit().await.unwrap();
    watched().await;
}

#[tokio::test]
async fn a_released_handle_belongs_to_no_scope() {
    let pool = pool().await;
    silent(queries_the_pool(&pool)).await;
}

#[track(held_idle = "50ms")]
async fn waits_for_a_permit(pool: &TestPool) {
    let _second = pool.acquire().await.unwrap();
}

#[tokio::test]
async fn a_wait_for_a_permit_is_no_holding() {
    let pool = pool_of(1).await;
    let held = pool.acquire().await.unwrap();
    let ((), found) = findings(async {
        futures::join!(waits_for_a_permit(&pool), async {
            watched().await;
            drop(held);
        });
    })
    .await;
    assert!(found.is_empty(), "{}", common::rendered(&found));
}

#[track(held_idle = "50ms")]
async fn detaches(pool: &TestPool) {
    let _conn = pool.acquire().await.unwrap().detach();
    watched().await;
}

#[tokio::test]
async fn a_detached_connection_holds_no_permit() {
    let pool = pool().await;
    silent(detaches(&pool)).await;
}

#[track]
async fn within_the_default(pool: &TestPool) {
    let _conn = pool.acquire().await.unwrap();
    watched().await;
}

#[tokio::test]
async fn less_than_the_default_of_five_seconds() {
    let pool = pool().await;
    silent(within_the_default(&pool)).await;
}
