//! Handles of every kind, and long-lived ones.

use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt};
use sqlx::leash::{self, HandleExt};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Row, Sqlite, SqlitePool, track};

use crate::common::{HUNDRED, Tx, of_leaks, pool, pool_of, returned, silent};

#[tokio::test]
async fn taken_out_of_the_pool() {
    #[track]
    async fn detached(pool: &SqlitePool, kept: &mut Vec<SqliteConnection>) -> sqlx::Result<()> {
        let connection = pool.acquire().await?;
        kept.push(connection.detach());
        Ok(())
    }
    let pool = pool().await;
    let mut kept = Vec::new();
    silent(&pool, detached(&pool, &mut kept)).await;
    assert_eq!(pool.stats().detached, 1);
    sqlx::query("SELECT 1").execute(&mut kept[0]).await.unwrap();
}

#[tokio::test]
async fn meant_to_live_long() {
    #[track]
    async fn connection(
        pool: &SqlitePool,
        kept: &mut Vec<PoolConnection<Sqlite>>,
    ) -> sqlx::Result<()> {
        kept.push(
            pool.acquire()
                .await?
                .long_lived("the lock is held for the whole run"),
        );
        Ok(())
    }
    #[track]
    async fn transaction(pool: &SqlitePool, kept: &mut Vec<Tx>) -> sqlx::Result<()> {
        kept.push(pool.begin().await?.long_lived("the import"));
        Ok(())
    }
    #[track]
    async fn leaked(pool: &SqlitePool) -> sqlx::Result<()> {
        let plain = pool.acquire().await?.long_lived("a listener").leak();
        drop(plain);
        Ok(())
    }
    let pool = pool().await;
    let (mut connections, mut transactions) = (Vec::new(), Vec::new());
    let (result, findings) = leash::testing::findings(async {
        connection(&pool, &mut connections).await?;
        transaction(&pool, &mut transactions).await?;
        leaked(&pool).await
    })
    .await;
    result.unwrap();
    assert!(of_leaks(findings).is_empty());
    let reasons: Vec<_> = pool
        .handles()
        .into_iter()
        .map(|handle| handle.reserved.unwrap_or_default())
        .collect();
    assert_eq!(
        reasons,
        [
            "the lock is held for the whole run",
            "the import",
            "a listener"
        ]
    );
    assert_eq!((pool.stats().handles, pool.stats().reserved), (3, 3));
}

#[tokio::test]
async fn tried_without_a_free_permit() {
    #[track]
    async fn tries(pool: &SqlitePool) -> bool {
        let held = pool.acquire().await.unwrap();
        let second = pool.try_acquire();
        let begun = pool.try_begin().await.unwrap();
        drop(held);
        second.is_none() && begun.is_none()
    }
    #[track]
    async fn tries_and_has(pool: &SqlitePool) -> bool {
        pool.try_acquire().is_some()
    }
    let pool = pool_of(1).await;
    silent(&pool, tries(&pool).map(|none| assert!(none))).await;
    pool.has_idle(1).await;
    silent(&pool, tries_and_has(&pool).map(|some| assert!(some))).await;
}

#[tokio::test]
async fn streams() {
    #[track]
    async fn read_to_the_end(pool: &SqlitePool) -> sqlx::Result<usize> {
        let mut rows = sqlx::query(HUNDRED).fetch(pool);
        let mut read = 0;
        while rows.try_next().await?.is_some() {
            read += 1;
        }
        Ok(read)
    }
    #[track]
    async fn dropped_half_way(pool: &SqlitePool) -> sqlx::Result<i64> {
        let mut rows = sqlx::query_scalar(HUNDRED).fetch(pool);
        let first = rows.try_next().await?.unwrap();
        drop(rows);
        Ok(first)
    }
    #[track]
    async fn returned_half_read(pool: &SqlitePool) -> BoxStream<'static, sqlx::Result<SqliteRow>> {
        let mut rows = sqlx::query(HUNDRED).fetch(pool);
        rows.next().await.unwrap().unwrap();
        rows
    }
    #[track]
    fn rows(pool: &SqlitePool) -> BoxStream<'_, sqlx::Result<SqliteRow>> {
        sqlx::query(HUNDRED).fetch(pool)
    }
    #[track]
    fn numbers(pool: &SqlitePool) -> impl futures::Stream<Item = sqlx::Result<i64>> + '_ {
        sqlx::query(HUNDRED).fetch(pool).map(|row| row?.try_get(0))
    }
    #[track]
    async fn reads_a_tracked_stream(pool: &SqlitePool) -> sqlx::Result<i64> {
        let mut sum = 0;
        let mut numbers = std::pin::pin!(numbers(pool));
        while let Some(number) = numbers.try_next().await? {
            sum += number;
        }
        Ok(sum)
    }
    let pool = pool().await;
    silent(
        &pool,
        read_to_the_end(&pool).map(|read| assert_eq!(read.unwrap(), 100)),
    )
    .await;
    silent(
        &pool,
        dropped_half_way(&pool).map(|first| assert_eq!(first.unwrap(), 1)),
    )
    .await;
    let rest = returned(&pool, returned_half_read(&pool)).await;
    assert_eq!(rest.count().await, 99);
    pool.assert_empty();
    silent(&pool, rows(&pool).count().map(|rows| assert_eq!(rows, 100))).await;
    silent(
        &pool,
        reads_a_tracked_stream(&pool).map(|sum| assert_eq!(sum.unwrap(), 5050)),
    )
    .await;
}
