//! No finding for one permit at a time, or for a permit of another pool.

use futures::future::BoxFuture;
use futures::{FutureExt, TryStreamExt};
use sqlx::leash::HandleExt;
use sqlx::{Acquire, SqlitePool, track};

use crate::common::bare_pool_of;

use super::found::takes;
use super::{Result, is_silent};

#[track]
async fn only_tries(pool: &SqlitePool) -> Result {
    let first = pool.acquire().await?;
    let second = pool.try_acquire();
    let third = pool.try_begin().await?;
    drop(third);
    drop(second);
    drop(first);
    Ok(())
}

#[track]
async fn drops_first(pool: &SqlitePool) -> Result {
    let first = pool.acquire().await?;
    drop(first);
    takes(pool).await
}

#[track]
async fn drops_first_with_its_block(pool: &SqlitePool) -> Result {
    {
        let _first = pool.acquire().await?;
    }
    takes(pool).await
}

#[track]
async fn commits_first(pool: &SqlitePool) -> Result {
    let mut tx = pool.begin().await?;
    sqlx::query("SELECT 1").execute(&mut *tx).await?;
    tx.commit().await?;
    takes(pool).await
}

#[track]
async fn rolls_back_first(pool: &SqlitePool) -> Result {
    let tx = pool.begin().await?;
    tx.rollback().await?;
    takes(pool).await
}

#[track]
async fn closes_first(pool: &SqlitePool) -> Result {
    let conn = pool.acquire().await?;
    conn.close().await?;
    takes(pool).await
}

#[track]
async fn detaches_first(pool: &SqlitePool) -> Result {
    let first = pool.acquire().await?;
    let detached = first.detach();
    takes(pool).await?;
    drop(detached);
    Ok(())
}

#[track]
async fn reserves_first(pool: &SqlitePool) -> Result {
    let first = pool.acquire().await?.long_lived("a listener");
    takes(pool).await?;
    drop(first);
    Ok(())
}

#[track]
async fn one_after_the_other(pool: &SqlitePool) -> Result {
    for _ in 0..3 {
        sqlx::query("SELECT 1").execute(pool).await?;
        takes(pool).await?;
    }
    Ok(())
}

#[track]
async fn hands_down(pool: &SqlitePool) -> Result {
    let mut tx = pool.begin().await?;
    uses(&mut tx).await?;
    let mut savepoint = tx.begin().await?;
    uses(&mut savepoint).await?;
    savepoint.commit().await?;
    tx.commit().await
}

#[track]
async fn uses(conn: &mut sqlx::SqliteConnection) -> Result {
    sqlx::query("SELECT 1").execute(&mut *conn).await?;
    Ok(())
}

#[track]
async fn reads_the_rows_first(pool: &SqlitePool) -> Result {
    let rows: Vec<_> = sqlx::query("SELECT 1").fetch(pool).try_collect().await?;
    for _row in rows {
        sqlx::query("SELECT 2").execute(pool).await?;
    }
    Ok(())
}

#[tokio::test]
async fn one_at_a_time() {
    let pool = bare_pool_of(5).await;
    let mut tasks: Vec<BoxFuture<'_, Result>> = Vec::new();
    tasks.push(only_tries(&pool).boxed());
    tasks.push(drops_first(&pool).boxed());
    tasks.push(drops_first_with_its_block(&pool).boxed());
    tasks.push(commits_first(&pool).boxed());
    tasks.push(rolls_back_first(&pool).boxed());
    tasks.push(closes_first(&pool).boxed());
    tasks.push(detaches_first(&pool).boxed());
    tasks.push(reserves_first(&pool).boxed());
    tasks.push(one_after_the_other(&pool).boxed());
    tasks.push(hands_down(&pool).boxed());
    tasks.push(reads_the_rows_first(&pool).boxed());
    for task in tasks {
        is_silent(task).await;
    }
}

#[track]
async fn holds_of_another(pool: &SqlitePool, other: &SqlitePool) -> Result {
    let tx = other.begin().await?;
    takes(pool).await?;
    sqlx::query("SELECT 1").execute(pool).await?;
    tx.rollback().await
}

#[tokio::test]
async fn another_pool() {
    is_silent(holds_of_another(
        &*bare_pool_of(5).await,
        &*bare_pool_of(5).await,
    ))
    .await;
}
