//! The tracker caches statements and begins transactions as sqlx does.

use futures::TryStreamExt;
use leash_tests::{IsInside, assert_whole};
use sqlx::{Connection, Executor, track};

use super::{BEGIN_WITH, BY_ID, Db, pool_of};

type Pool = sqlx::Pool<Db>;

/// The tracker's query has the same text and the same `persistent` setting as the user's.
#[tokio::test]
async fn one_text_is_prepared_once() {
    #[track]
    async fn cached(pool: &Pool) -> sqlx::Result<Vec<usize>> {
        let mut sizes = Vec::new();
        let mut connection = pool.acquire().await?;
        connection.clear_cached_statements().await?;
        for _ in 0..2 {
            sqlx::query(BY_ID)
                .bind(1_i64)
                .fetch_optional(&mut *connection)
                .await?;
            sizes.push(connection.cached_statements_size());
        }
        let mut tx = connection.begin().await?;
        sqlx::query(BY_ID).bind(2_i64).fetch_all(&mut *tx).await?;
        tx.commit().await?;
        sizes.push(connection.cached_statements_size());
        sqlx::query("SELECT name FROM exam")
            .persistent(false)
            .fetch(&mut *connection)
            .try_collect::<Vec<_>>()
            .await?;
        sizes.push(connection.cached_statements_size());
        sqlx::query("SELECT id FROM exam")
            .execute(&mut *connection)
            .await?;
        sizes.push(connection.cached_statements_size());
        connection.execute("SELECT * FROM exam").await?;
        connection.clear_cached_statements().await?;
        sizes.push(connection.cached_statements_size());
        drop(connection);
        // The pool has only this one connection.
        sqlx::query(BY_ID).bind(3_i64).fetch_optional(pool).await?;
        sqlx::query(BY_ID).bind(4_i64).execute(pool).await?;
        sizes.push(pool.acquire().await?.cached_statements_size());
        Ok(sizes)
    }
    let Some(pool) = pool_of(1).await else { return };
    assert_eq!(cached(&pool).await.unwrap(), [1, 1, 1, 1, 2, 0, 1]);
}

#[tokio::test]
async fn begun_with_a_statement_of_the_user() {
    let Some(pool) = pool_of(1).await else { return };
    let before = pool.stats().control;
    let mut tx = pool.begin_with(BEGIN_WITH).await.unwrap();
    assert!(tx.as_mut().is_inside().await);
    assert_eq!(pool.handles()[0].transaction_depth, 1);
    tx.rollback().await.unwrap();
    let tx = pool.try_begin_with(BEGIN_WITH).await.unwrap();
    if let Some(tx) = tx {
        tx.commit().await.unwrap();
    }
    let mut connection = pool.acquire().await.unwrap();
    let tx = connection.begin_with(BEGIN_WITH).await.unwrap();
    assert_eq!(pool.handles()[0].transaction_depth, 1);
    drop(tx);
    assert_eq!(pool.handles()[0].transaction_depth, 0);
    drop(connection);
    assert!(pool.stats().control.begins - before.begins >= 2);
    assert_whole(&pool, "three transactions").await;

    // A text that begins no transaction is refused, and leaves none open.
    for nonsense in ["SELECT 1", "BEGIN NONSENSE"] {
        pool.begin_with(nonsense).await.map(drop).unwrap_err();
        assert_whole(&pool, nonsense).await;
    }
}
