//! A handle that is dropped, whichever way the function ends.

use futures::{FutureExt, StreamExt, TryStreamExt};
use sqlx::leash::{self};
use sqlx::{Acquire, Connection, Executor, Row, SqlitePool, track};
use std::panic::AssertUnwindSafe;
use tokio::task::yield_now;

use crate::common::{HUNDRED, Tx, of_leaks, poll_at_most, pool, pool_of, silent};

use super::INSERT;

#[tokio::test]
async fn ended_where_it_began() {
    #[track]
    async fn dropped(pool: &SqlitePool) -> sqlx::Result<()> {
        let mut tx = pool.begin().await?;
        tx.execute(INSERT).await?;
        drop(tx);
        Ok(())
    }
    #[track]
    async fn fallen_out_of_scope(pool: &SqlitePool) {
        let _tx = pool.begin().await.unwrap();
    }
    #[track]
    async fn committed(pool: &SqlitePool) -> sqlx::Result<i64> {
        let mut tx = pool.begin().await?;
        let answer = sqlx::query_scalar("SELECT 1").fetch_one(&mut *tx).await?;
        tx.commit().await?;
        Ok(answer)
    }
    #[track]
    async fn rolled_back(pool: &SqlitePool) -> sqlx::Result<()> {
        let mut tx = pool.begin().await?;
        tx.execute(INSERT).await?;
        tx.rollback().await
    }
    #[track]
    async fn savepoints(pool: &SqlitePool) -> sqlx::Result<()> {
        let mut tx = pool.begin().await?;
        let mut inner = tx.begin().await?;
        let innermost = inner.begin().await?;
        drop(innermost);
        inner.commit().await?;
        tx.commit().await
    }
    #[track]
    async fn closed(pool: &SqlitePool) -> sqlx::Result<()> {
        pool.acquire().await?.close().await
    }
    #[track]
    async fn closed_on_drop(pool: &SqlitePool) -> sqlx::Result<()> {
        pool.acquire().await?.close_on_drop();
        Ok(())
    }
    #[track]
    async fn temporaries(pool: &SqlitePool) -> sqlx::Result<u64> {
        let done = pool.acquire().await?.execute("SELECT 1").await?;
        Ok(done.rows_affected())
    }
    let pool = pool().await;
    silent(&pool, dropped(&pool)).await;
    silent(&pool, fallen_out_of_scope(&pool)).await;
    silent(&pool, committed(&pool)).await;
    silent(&pool, rolled_back(&pool)).await;
    silent(&pool, savepoints(&pool)).await;
    silent(&pool, closed(&pool)).await;
    silent(&pool, closed_on_drop(&pool)).await;
    silent(&pool, temporaries(&pool)).await;
}

#[tokio::test]
async fn returned_early_by_an_error() {
    #[derive(Debug, thiserror::Error)]
    #[error("failed")]
    struct Failed(#[from] sqlx::Error);

    #[track]
    async fn fails(pool: &SqlitePool) -> sqlx::Result<()> {
        let mut tx = pool.begin().await?;
        tx.execute("SELECT no_such_column").await?;
        tx.commit().await
    }
    #[track]
    async fn fails_with_anyhow(pool: &SqlitePool) -> anyhow::Result<i64> {
        let mut tx = pool.begin().await?;
        let row = sqlx::query("SELECT 'text'").fetch_one(&mut *tx).await?;
        Ok(row.try_get::<i64, _>("no_such_column")?)
    }
    #[track]
    async fn fails_with_own(pool: &SqlitePool) -> Result<String, Failed> {
        let mut rows = sqlx::query(HUNDRED).fetch(pool);
        while let Some(row) = rows.try_next().await? {
            row.try_get::<String, _>("no_such_column")?;
        }
        Ok(String::new())
    }
    let pool = pool().await;
    silent(&pool, async { fails(&pool).await.unwrap_err() }).await;
    silent(&pool, async { fails_with_anyhow(&pool).await.unwrap_err() }).await;
    silent(&pool, async { fails_with_own(&pool).await.unwrap_err() }).await;
}

#[tokio::test]
async fn unwound_by_a_panic() {
    #[track]
    async fn panics(pool: &SqlitePool) {
        let mut tx = pool.begin().await.unwrap();
        tx.execute(INSERT).await.unwrap();
        let mut rows = sqlx::query(HUNDRED).fetch(&mut *tx);
        rows.next().await.unwrap().unwrap();
        panic!("as tested");
    }
    #[track]
    async fn around(pool: &SqlitePool) {
        let _held = pool.acquire().await.unwrap();
        panics(pool).await;
    }
    let pool = pool().await;
    silent(
        &pool,
        AssertUnwindSafe(around(&pool))
            .catch_unwind()
            .map(|caught| caught.unwrap_err().is::<&str>()),
    )
    .await;
    pool.assert_serves_all().await;
}

/// One function with every kind of await, cancelled after each of its polls.
#[tokio::test]
async fn given_up_at_every_await() {
    #[track]
    async fn inner(tx: &mut Tx) -> sqlx::Result<()> {
        let mut savepoint = tx.begin().await?;
        yield_now().await;
        savepoint.execute(INSERT).await?;
        yield_now().await;
        savepoint.commit().await
    }
    #[track]
    async fn everything(pool: &SqlitePool) -> sqlx::Result<usize> {
        // A yield after each step: a place to cancel at, however fast the database answers.
        let mut tx = pool.begin().await?;
        yield_now().await;
        sqlx::query(INSERT).execute(&mut *tx).await?;
        yield_now().await;
        inner(&mut tx).await?;
        yield_now().await;
        let rows = sqlx::query(HUNDRED)
            .fetch(&mut *tx)
            .try_collect::<Vec<_>>()
            .await?
            .len();
        yield_now().await;
        tx.commit().await?;
        yield_now().await;
        let mut connection = pool.acquire().await?;
        yield_now().await;
        connection.ping().await?;
        sqlx::query(HUNDRED).fetch_all(&mut *connection).await?;
        connection.close().await?;
        Ok(rows)
    }
    let pool = pool_of(2).await;
    let mut polls = 0;
    loop {
        polls += 1;
        let (done, findings) =
            leash::testing::findings(poll_at_most(polls, everything(&pool))).await;
        assert!(of_leaks(findings).is_empty(), "cancelled at poll {polls}");
        pool.assert_serves_all().await;
        if let Some(result) = done {
            assert_eq!(result.unwrap(), 100);
            break;
        }
    }
    assert!(polls > 8, "cancelled at several places: {polls}");
}
