//! No finding.

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use sqlx::leash::{Lint, ScopeExt};
use sqlx::{Acquire, SqlitePool, track};
use tokio::time::{Duration, sleep};

use crate::common::{bare_pool_of, none_of, only_of};

use super::found::queries;
use super::{Result, found};

#[track]
async fn queries_the_transaction(pool: &SqlitePool) -> Result {
    let mut tx = pool.begin().await?;
    sqlx::query("SELECT 1").execute(&mut *tx).await?;
    uses(&mut tx).await?;
    let mut savepoint = tx.begin().await?;
    uses(&mut savepoint).await?;
    savepoint.rollback().await?;
    tx.commit().await
}

#[track]
async fn uses(conn: &mut sqlx::SqliteConnection) -> Result {
    sqlx::query("SELECT 1").execute(&mut *conn).await?;
    Ok(())
}

#[track]
async fn queries_afterwards(pool: &SqlitePool) -> Result {
    let tx = pool.begin().await?;
    tx.commit().await?;
    sqlx::query("SELECT 1").execute(pool).await?;
    let tx = pool.begin().await?;
    tx.rollback().await?;
    queries(pool).await?;
    let tx = pool.begin().await?;
    drop(tx);
    queries(pool).await?;
    {
        let _tx = pool.begin().await?;
    }
    queries(pool).await
}

#[track]
async fn queries_before(pool: &SqlitePool) -> Result {
    queries(pool).await?;
    let tx = pool.begin().await?;
    tx.commit().await
}

#[track]
async fn joins(pool: &SqlitePool) -> Result {
    tokio::try_join!(
        async {
            let mut tx = pool.begin().await?;
            sleep(Duration::from_millis(30)).await;
            sqlx::query("SELECT 1").execute(&mut *tx).await?;
            tx.commit().await
        },
        async {
            sleep(Duration::from_millis(15)).await;
            sqlx::query("SELECT 2").execute(pool).await?;
            queries(pool).await
        }
    )
    .map(|_| ())
}

#[track]
async fn joins_functions(pool: &SqlitePool) -> Result {
    tokio::try_join!(holds_for_a_moment(pool), queries_later(pool))?;
    join_all((0..3).map(|_| holds_for_a_moment(pool)))
        .await
        .into_iter()
        .collect()
}

#[track]
async fn holds_for_a_moment(pool: &SqlitePool) -> Result {
    let tx = pool.begin().await?;
    sleep(Duration::from_millis(30)).await;
    tx.rollback().await
}

#[track]
async fn queries_later(pool: &SqlitePool) -> Result {
    sleep(Duration::from_millis(15)).await;
    queries(pool).await
}

#[track]
async fn in_a_spawned_task(pool: &SqlitePool) -> Result {
    let theirs = pool.clone();
    let plain = tokio::spawn(async move { holds_for_a_moment(&theirs).await });
    let theirs = pool.clone();
    let carried = tokio::spawn(async move { holds_for_a_moment(&theirs).await }.in_current_scope());
    queries_later(pool).await?;
    plain.await.unwrap()?;
    carried.await.unwrap()
}

#[track]
async fn a_spawned_task_queries(pool: &SqlitePool) -> Result {
    let tx = pool.begin().await?;
    let theirs = pool.clone();
    let plain = tokio::spawn(async move { queries(&theirs).await });
    let theirs = pool.clone();
    let carried = tokio::spawn(async move { queries(&theirs).await }.in_current_scope());
    plain.await.unwrap()?;
    carried.await.unwrap()?;
    tx.rollback().await
}

#[tokio::test]
async fn queries_that_are_no_part_of_the_transaction() {
    let pool = bare_pool_of(9).await;
    let mut tasks: Vec<BoxFuture<'_, Result>> = Vec::new();
    tasks.push(queries_the_transaction(&pool).boxed());
    tasks.push(queries_afterwards(&pool).boxed());
    tasks.push(queries_before(&pool).boxed());
    tasks.push(joins(&pool).boxed());
    tasks.push(joins_functions(&pool).boxed());
    tasks.push(in_a_spawned_task(&pool).boxed());
    tasks.push(a_spawned_task_queries(&pool).boxed());
    for task in tasks {
        let found = found(task).await;
        none_of(Lint::OutsideTransaction, &found);
        none_of(Lint::NestedAcquire, &found);
    }
}

#[track]
async fn has_a_transaction_of_another(pool: &SqlitePool, other: &SqlitePool) -> Result {
    let tx = other.begin().await?;
    queries(pool).await?;
    tx.rollback().await
}

#[tokio::test]
async fn another_pool() {
    let (pool, other) = (bare_pool_of(5).await, bare_pool_of(5).await);
    let found = found(has_a_transaction_of_another(&pool, &other)).await;
    crate::common::assert_none(&found);
}

#[track]
async fn holds_a_plain_connection(pool: &SqlitePool) -> Result {
    let conn = pool.acquire().await?;
    queries(pool).await?;
    drop(conn);
    Ok(())
}

#[track]
async fn its_transaction_has_ended(pool: &SqlitePool) -> Result {
    let mut conn = pool.acquire().await?;
    let tx = conn.begin().await?;
    tx.commit().await?;
    queries(pool).await?;
    drop(conn);
    Ok(())
}

#[track]
async fn takes_a_connection(pool: &SqlitePool) -> Result {
    let tx = pool.begin().await?;
    let conn = pool.acquire().await?;
    drop(conn);
    tx.rollback().await
}

#[tokio::test]
async fn a_second_permit_without_a_transaction() {
    let pool = bare_pool_of(5).await;
    for task in [
        holds_a_plain_connection(&pool).boxed(),
        its_transaction_has_ended(&pool).boxed(),
        takes_a_connection(&pool).boxed(),
    ] {
        let found = found(task).await;
        none_of(Lint::OutsideTransaction, &found);
        only_of(Lint::NestedAcquire, &found);
    }
}
