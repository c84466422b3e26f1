//! Handles of callers, of branches, and of no scope.

use std::future::pending;

use futures::future::{BoxFuture, join, join_all, select};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, TryStreamExt};
use sqlx::leash::{self, ScopeExt};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Acquire, Connection, Executor, Sqlite, SqliteExecutor, SqlitePool, Transaction, track};
use tokio::sync::oneshot;
use tokio::time::{Duration, timeout};

use crate::common::{TestPool, Tx, pool, returned, silent};

use super::INSERT;

#[tokio::test]
async fn lent_to_callees() {
    #[track]
    async fn with_transaction(tx: &mut Transaction<'_, Sqlite>) -> sqlx::Result<()> {
        sqlx::query(INSERT).execute(&mut **tx).await?;
        Ok(())
    }
    #[track]
    async fn with_plain(connection: &mut SqliteConnection) -> sqlx::Result<()> {
        sqlx::query(INSERT).execute(&mut *connection).await?;
        connection.execute(INSERT).await?;
        Ok(())
    }
    #[track]
    async fn with_pooled(connection: &mut PoolConnection<Sqlite>) -> sqlx::Result<()> {
        sqlx::query(INSERT).execute(&mut **connection).await?;
        Ok(())
    }
    #[track]
    async fn with_executor<'e>(executor: impl SqliteExecutor<'e>) -> sqlx::Result<()> {
        sqlx::query(INSERT).execute(executor).await?;
        Ok(())
    }
    #[track]
    async fn with_acquire<'a>(from: impl Acquire<'a, Database = Sqlite>) -> sqlx::Result<()> {
        let mut connection = from.acquire().await?;
        sqlx::query(INSERT).execute(&mut **connection).await?;
        Ok(())
    }
    #[track]
    async fn with_begin<'a>(from: impl Acquire<'a, Database = Sqlite>) -> sqlx::Result<()> {
        let mut tx = from.begin().await?;
        tx.execute(INSERT).await?;
        tx.commit().await
    }
    async fn untracked(tx: &mut Tx) -> sqlx::Result<()> {
        sqlx::query(INSERT).execute(&mut **tx).await?;
        Ok(())
    }
    #[track]
    async fn lends_to_all(pool: &SqlitePool) -> sqlx::Result<()> {
        let mut tx = pool.begin().await?;
        with_transaction(&mut tx).await?;
        with_plain(&mut tx).await?;
        untracked(&mut tx).await?;
        with_executor(&mut *tx).await?;
        with_acquire(&mut tx).await?;
        with_begin(&mut *tx).await?;
        tx.commit().await?;
        let mut connection = pool.acquire().await?;
        with_pooled(&mut connection).await?;
        with_plain(&mut connection).await?;
        with_begin(&mut *connection).await?;
        with_executor(&mut *connection).await?;
        drop(connection);
        with_executor(pool).await?;
        with_acquire(pool).await?;
        with_begin(pool).await
    }
    let pool = pool().await;
    let all = async {
        lends_to_all(&pool).await.unwrap();
    };
    silent(&pool, all).await;
    let written: i64 = sqlx::query_scalar("SELECT count(*) FROM exam")
        .fetch_one(&*pool)
        .await
        .unwrap();
    assert_eq!(written, 15, "every row was written");
}

/// A lent handle belongs to the caller, also when a callee ends that acquired nothing itself.
#[tokio::test]
async fn owned_by_the_caller_while_a_callee_ends() {
    #[track]
    async fn callee(tx: &mut Tx, pool: &SqlitePool) -> sqlx::Result<()> {
        let own = pool.acquire().await?;
        sqlx::query(INSERT).execute(&mut **tx).await?;
        drop(own);
        Ok(())
    }
    #[track]
    async fn caller(pool: &SqlitePool) -> sqlx::Result<()> {
        let mut first = pool.begin().await?;
        callee(&mut first, pool).await?;
        first.commit().await
    }
    let pool = pool().await;
    silent(&pool, caller(&pool)).await;
}

#[tokio::test]
async fn in_branches() {
    #[track]
    async fn query(pool: &SqlitePool) -> sqlx::Result<i64> {
        let mut tx = pool.begin().await?;
        let answer = sqlx::query_scalar("SELECT 1").fetch_one(&mut *tx).await?;
        tx.commit().await?;
        Ok(answer)
    }
    #[track]
    async fn hold_for_ever(pool: &SqlitePool) -> sqlx::Result<()> {
        let mut tx = pool.begin().await?;
        tx.execute(INSERT).await?;
        pending::<()>().await;
        tx.commit().await
    }
    #[track]
    async fn joined(pool: &SqlitePool) -> sqlx::Result<i64> {
        let joined = tokio::join!(query(pool), query(pool));
        let tried = tokio::try_join!(query(pool), query(pool))?;
        let by_function = join(query(pool), query(pool)).await;
        Ok(joined.0? + joined.1? + tried.0 + tried.1 + by_function.0? + by_function.1?)
    }
    #[track]
    async fn one_of_them_fails(pool: &SqlitePool) -> sqlx::Result<()> {
        tokio::try_join!(hold_for_ever(pool), async {
            Err::<(), _>(sqlx::Error::RowNotFound)
        })?;
        Ok(())
    }
    #[track]
    async fn selected(pool: &SqlitePool) -> sqlx::Result<()> {
        tokio::select! {
            biased;
            () = async { hold_for_ever(pool).await.unwrap() } => unreachable!(),
            answer = query(pool) => assert_eq!(answer?, 1),
        }
        let held = Box::pin(hold_for_ever(pool));
        let asked = Box::pin(query(pool));
        let _ = select(held, asked).await;
        Ok(())
    }
    #[track]
    async fn too_late(pool: &SqlitePool) -> bool {
        timeout(Duration::from_millis(1), hold_for_ever(pool))
            .await
            .is_err()
    }
    #[track]
    async fn unordered(pool: &SqlitePool) -> sqlx::Result<i64> {
        let mut all: FuturesUnordered<_> = (0..8).map(|_| query(pool)).collect();
        let first = all.try_next().await?;
        // The remaining queries are cancelled half-way.
        drop(all);
        let rest = join_all((0..3).map(|_| query(pool))).await;
        Ok(first.unwrap_or_default() + rest.into_iter().sum::<sqlx::Result<i64>>()?)
    }
    #[track]
    async fn spawned_and_awaited(pool: &SqlitePool) -> sqlx::Result<()> {
        let mut tx = pool.begin().await?;
        let task = tokio::spawn(async move {
            tx.execute(INSERT).await?;
            tx.commit().await
        });
        task.await.expect("the task does not panic")
    }
    #[track]
    async fn spawned_in_scope(pool: &SqlitePool) -> sqlx::Result<i64> {
        let pool = pool.clone();
        let task = tokio::spawn(async move { query(&pool).await }.in_current_scope());
        task.await.expect("the task does not panic")
    }
    #[track]
    async fn aborted(pool: &SqlitePool) -> bool {
        let (begun, has_begun) = oneshot::channel();
        let pool = pool.clone();
        let task = tokio::spawn(
            async move {
                let _tx = pool.begin().await.unwrap();
                begun.send(()).unwrap();
                pending::<()>().await;
            }
            .in_current_scope(),
        );
        has_begun.await.unwrap();
        task.abort();
        task.await.unwrap_err().is_cancelled()
    }
    let pool = pool().await;
    silent(&pool, joined(&pool).map(|sum| assert_eq!(sum.unwrap(), 6))).await;
    silent(&pool, one_of_them_fails(&pool)).await;
    silent(&pool, selected(&pool)).await;
    silent(&pool, too_late(&pool).map(|late| assert!(late))).await;
    silent(&pool, unordered(&pool)).await;
    silent(&pool, spawned_and_awaited(&pool).map(Result::unwrap)).await;
    silent(&pool, spawned_in_scope(&pool).map(Result::unwrap)).await;
    silent(&pool, aborted(&pool).map(|cancelled| assert!(cancelled))).await;
    pool.assert_serves_all().await;
}

#[tokio::test]
async fn in_transaction_closures() {
    #[track]
    async fn in_closure(pool: &SqlitePool) -> sqlx::Result<i64> {
        let mut connection = pool.acquire().await?;
        connection
            .transaction(|tx| {
                Box::pin(async move {
                    sqlx::query(INSERT).execute(&mut **tx).await?;
                    sqlx::query_scalar("SELECT count(*) FROM exam")
                        .fetch_one(&mut **tx)
                        .await
                })
            })
            .await
    }
    async fn with_tx<T>(
        pool: &SqlitePool,
        work: impl for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, sqlx::Result<T>>,
    ) -> sqlx::Result<T> {
        let mut tx = pool.begin().await?;
        let value = work(&mut tx).await?;
        tx.commit().await?;
        Ok(value)
    }
    #[track]
    async fn in_own_closure(pool: &SqlitePool) -> sqlx::Result<u64> {
        with_tx(pool, |tx| {
            Box::pin(async move {
                Ok(sqlx::query(INSERT)
                    .execute(&mut **tx)
                    .await?
                    .rows_affected())
            })
        })
        .await
    }
    let pool = pool().await;
    silent(
        &pool,
        in_closure(&pool).map(|count| assert_eq!(count.unwrap(), 1)),
    )
    .await;
    silent(
        &pool,
        in_own_closure(&pool).map(|count| assert_eq!(count.unwrap(), 1)),
    )
    .await;
}

#[tokio::test]
async fn in_recursion() {
    #[track]
    fn descend<'a>(pool: &'a SqlitePool, depth: u8) -> BoxFuture<'a, sqlx::Result<u8>> {
        Box::pin(async move {
            if depth == 0 {
                return Ok(0);
            }
            let held = pool.acquire().await?;
            let below = descend(pool, depth - 1).await?;
            drop(held);
            Ok(below + 1)
        })
    }
    #[track]
    async fn hand_up(pool: &SqlitePool, depth: u8) -> sqlx::Result<Tx> {
        if depth == 0 {
            pool.begin().await
        } else {
            Box::pin(hand_up(pool, depth - 1)).await
        }
    }
    let pool = pool().await;
    silent(
        &pool,
        descend(&pool, 4).map(|depth| assert_eq!(depth.unwrap(), 4)),
    )
    .await;
    drop(returned(&pool, hand_up(&pool, 6)).await);
}

#[tokio::test]
async fn scopes_by_hand_and_carried_ones_hand_up() {
    #[track]
    async fn keeps_what_its_task_returned(pool: &SqlitePool) -> sqlx::Result<()> {
        let taking = pool.begin();
        let mut tx = taking.in_current_scope().await?;
        tx.execute(INSERT).await?;
        tx.commit().await
    }
    let pool = pool().await;
    let by_hand = leash::scope("by hand", async { pool.begin().await.unwrap() });
    drop(returned(&pool, by_hand).await);

    silent(&pool, keeps_what_its_task_returned(&pool)).await;
}

/// The same function is called from untracked and from tracked code.
#[tokio::test]
async fn without_a_scope_around() {
    async fn untracked(pool: &TestPool) -> sqlx::Result<()> {
        let kept: Tx = pool.begin().await?;
        tokio::spawn(async move { kept.commit().await })
            .await
            .expect("the task does not panic")
    }
    let pool = pool().await;
    silent(&pool, untracked(&pool)).await;
}
