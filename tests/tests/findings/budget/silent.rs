//! No finding within the budget.

use futures::TryStreamExt;
use sqlx::leash::Lint;
use sqlx::leash::testing::findings;
use sqlx::{Executor, SqlitePool, track};

use crate::common::{HUNDRED, pool, rendered};

use super::exactly;
use super::found::two;

#[track(max_queries = 2)]
async fn within_a_transaction(pool: &SqlitePool) {
    let mut tx = pool.begin().await.unwrap();
    sqlx::query("SELECT 1").execute(&mut *tx).await.unwrap();
    sqlx::query("SELECT 2").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
}

#[track(max_queries = 1)]
async fn several_in_one(pool: &SqlitePool) {
    sqlx::raw_sql("SELECT 1; SELECT 2; SELECT 3")
        .execute(pool)
        .await
        .unwrap();
}

#[track(max_queries = 1)]
async fn one_stream(pool: &SqlitePool) {
    let rows: Vec<_> = sqlx::query(HUNDRED)
        .fetch(pool)
        .try_collect()
        .await
        .unwrap();
    assert_eq!(rows.len(), 100);
}

#[track(max_queries = 1)]
async fn no_statement(pool: &SqlitePool) {
    let mut conn = pool.acquire().await.unwrap();
    sqlx::Connection::ping(&mut **conn).await.unwrap();
    conn.prepare(sqlx::SqlSafeStr::into_sql_str("SELECT 1"))
        .await
        .unwrap();
    drop(sqlx::query("SELECT 1").execute(&mut *conn));
    drop(sqlx::query("SELECT 1").execute(&mut *conn));
}

#[track]
async fn no_budget(pool: &SqlitePool) {
    for _ in 0..50 {
        sqlx::query("SELECT 1").execute(pool).await.unwrap();
    }
}

#[track(max_queries = 1, allow(query_budget, reason = "the test wants it"))]
async fn allowed(pool: &SqlitePool) {
    two(pool).await;
}

#[tokio::test]
async fn within_the_budget() {
    let pool = pool().await;
    let ((), found) = findings(async {
        within_a_transaction(&pool).await;
        several_in_one(&pool).await;
        one_stream(&pool).await;
        no_statement(&pool).await;
        exactly(&pool).await;
        no_budget(&pool).await;
        allowed(&pool).await;
    })
    .await;
    assert!(
        found.iter().all(|found| found.lint != Lint::QueryBudget),
        "{}",
        rendered(&found)
    );
}
