//! One pool in many tasks, threads and runtimes, with handles that move between them.

use futures::future::{BoxFuture, join_all};
use leash_tests::assert_whole;
use sqlx::leash::{self, ScopeExt};
use sqlx::pool::PoolConnection;
use sqlx::{Connection, Executor, Transaction, track};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

use super::{BY_ID, Db, pool_of};
use crate::common::{HUNDRED, check_sums};

type Pool = sqlx::Pool<Db>;
type Tx = Transaction<'static, Db>;

const INSERT: &str = "INSERT INTO exam (name) VALUES ('x')";

fn runtime() -> Runtime {
    // The runtime has its own thread, so that it serves its connections even while another runtime's task uses them.
    Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

async fn exams(pool: &Pool) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM exam")
        .fetch_one(pool)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn from_several_runtimes() {
    const RUNTIMES: usize = 4;
    const ROUNDS: u64 = 20;

    #[track]
    async fn work(pool: &Pool) -> sqlx::Result<()> {
        let mut tx = pool.begin().await?;
        sqlx::query(INSERT).execute(&mut *tx).await?;
        tx.commit().await?;
        sqlx::query(BY_ID).bind(1_i64).fetch_one(pool).await?;
        Ok(())
    }

    let Some(pool) = pool_of(3).await else { return };
    // Every task reads row 1. It is written first, because the tasks' own inserts may commit in any order.
    sqlx::query(INSERT).execute(&*pool).await.unwrap();
    let threads: Vec<_> = (0..RUNTIMES)
        .map(|_| {
            let pool = (*pool).clone();
            std::thread::spawn(move || {
                let runtime = runtime();
                runtime.block_on(async {
                    for _ in 0..ROUNDS {
                        work(&pool).await.unwrap();
                    }
                });
                // Dropping the runtime would end its connections, while other threads may still acquire them.
                runtime
            })
        })
        .collect();
    // This runtime has connections, too, so its thread must not block.
    let worked = tokio::task::spawn_blocking(|| {
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect::<Vec<Runtime>>()
    });
    let runtimes = worked.await.unwrap();
    let calls = RUNTIMES as u64 * ROUNDS;
    check_sums(
        &here!("from_several_runtimes::work"),
        &[
            (calls, calls, 0, 0, 0, calls),
            (calls, calls, 0, 0, calls, 0),
        ],
    );
    assert_whole(&pool, "several runtimes").await;
    for runtime in runtimes {
        runtime.shutdown_background();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handles_that_move() {
    /// Begins in one task a transaction that another task continues.
    #[track]
    async fn begins(pool: &Pool) -> sqlx::Result<Tx> {
        let mut tx = pool.begin().await?;
        tx.execute(INSERT).await?;
        Ok(tx)
    }
    #[track]
    async fn goes_on(mut tx: Tx) -> sqlx::Result<Tx> {
        tx.execute(INSERT).await?;
        Ok(tx)
    }
    #[track]
    async fn ends(tx: Tx) -> sqlx::Result<()> {
        tx.commit().await
    }
    #[track]
    async fn ends_with_it(connection: PoolConnection<Db>) -> sqlx::Result<()> {
        connection.close().await
    }

    let Some(pool) = pool_of(2).await else { return };
    let (to_second, mut at_second) = mpsc::channel::<Tx>(1);
    let (to_third, mut at_third) = mpsc::channel::<Tx>(1);
    let second = tokio::spawn(async move {
        while let Some(tx) = at_second.recv().await {
            to_third.send(goes_on(tx).await.unwrap()).await.unwrap();
        }
    });
    // On another thread with its own runtime.
    let third = std::thread::spawn(move || {
        let runtime = runtime();
        runtime.block_on(async {
            while let Some(tx) = at_third.recv().await {
                ends(tx).await.unwrap();
            }
        });
        runtime
    });
    let ((), findings) = leash::testing::findings(async {
        for _ in 0..20 {
            to_second.send(begins(&pool).await.unwrap()).await.unwrap();
        }
        drop(to_second);
        second.await.unwrap();
    })
    .await;
    let runtime = tokio::task::spawn_blocking(|| third.join().unwrap())
        .await
        .unwrap();
    assert!(findings.is_empty(), "{findings:#?}");
    assert_whole(&pool, "handles that moved").await;
    assert_eq!(exams(&pool).await, 40);
    runtime.shutdown_background();

    let connection = pool.acquire().await.unwrap();
    tokio::spawn(ends_with_it(connection))
        .await
        .unwrap()
        .unwrap();
    assert_whole(&pool, "a connection closed elsewhere").await;
}

#[tokio::test]
async fn tracked_code_called_from_untracked_code_and_back() {
    #[track]
    async fn innermost(tx: &mut Tx) -> sqlx::Result<()> {
        let mut savepoint = tx.begin().await?;
        savepoint.execute(INSERT).await?;
        savepoint.commit().await
    }
    async fn untracked(pool: &Pool) -> sqlx::Result<Tx> {
        let mut tx = pool.begin().await?;
        innermost(&mut tx).await?;
        tx.execute(INSERT).await?;
        Ok(tx)
    }
    #[track]
    async fn tracked(pool: &Pool) -> sqlx::Result<()> {
        let tx = untracked(pool).await?;
        tx.commit().await
    }
    let Some(pool) = pool_of(2).await else { return };
    let ((result, counted), findings) =
        leash::testing::findings(leash::testing::counting(tracked(&pool))).await;
    result.unwrap();
    assert_eq!(counted, 2);
    assert!(findings.is_empty(), "{findings:#?}");
    untracked(&pool).await.unwrap().rollback().await.unwrap();
    assert_eq!(exams(&pool).await, 2);
    assert_whole(&pool, "calls back and forth").await;
}

#[tokio::test]
async fn recursion() {
    #[track]
    fn nested<'t>(tx: &'t mut Transaction<'_, Db>, depth: u32) -> BoxFuture<'t, sqlx::Result<u64>> {
        Box::pin(async move {
            let written = sqlx::query(INSERT)
                .execute(&mut **tx)
                .await?
                .rows_affected();
            if depth == 0 {
                return Ok(written);
            }
            let mut savepoint = tx.begin().await?;
            let further_in = nested(&mut savepoint, depth - 1).await?;
            savepoint.commit().await?;
            Ok(written + further_in)
        })
    }
    #[track]
    fn taking(pool: Pool, depth: u32) -> BoxFuture<'static, sqlx::Result<u32>> {
        Box::pin(async move {
            let mut held = pool.acquire().await?;
            held.execute("SELECT * FROM exam").await?;
            match depth {
                0 => Ok(0),
                _ => Ok(taking(pool, depth - 1).await? + 1),
            }
        })
    }
    let Some(pool) = pool_of(8).await else { return };
    let mut tx = pool.begin().await.unwrap();
    let (written, findings) = leash::testing::findings(nested(&mut tx, 20)).await;
    assert_eq!(written.unwrap(), 21);
    assert!(findings.is_empty(), "{findings:#?}");
    assert_eq!(pool.handles()[0].transaction_depth, 1);
    tx.commit().await.unwrap();
    assert_eq!(exams(&pool).await, 21);
    assert_eq!(pool.stats().control.savepoints, 20);
    assert_eq!(taking((*pool).clone(), 7).await.unwrap(), 7);
    assert_whole(&pool, "recursion").await;
}

/// Runs a thousand tasks on ten connections, on the current runtime.
async fn crowd(pool: &Pool, work: fn(Pool, i64) -> BoxFuture<'static, ()>) {
    let tasks = (0..1_000).map(|number| tokio::spawn(work(pool.clone(), number)));
    for ended in join_all(tasks).await {
        ended.unwrap();
    }
}

#[tokio::test]
async fn a_thousand_tasks_on_one_thread() {
    #[track]
    async fn one(pool: &Pool, number: i64) -> sqlx::Result<usize> {
        let mut tx = pool.begin().await?;
        sqlx::query(BY_ID)
            .bind(number)
            .fetch_optional(&mut *tx)
            .await?;
        tx.rollback().await?;
        Ok(sqlx::query(HUNDRED).fetch_all(pool).await?.len())
    }
    let Some(pool) = pool_of(10).await else {
        return;
    };
    crowd(&pool, |pool, number| {
        Box::pin(async move { assert_eq!(one(&pool, number).await.unwrap(), 100) })
    })
    .await;
    check_sums(
        &here!("a_thousand_tasks_on_one_thread::one"),
        &[(1_000, 1_000, 0, 0, 0, 0), (1_000, 1_000, 0, 0, 100_000, 0)],
    );
    let stats = pool.stats();
    assert_eq!(
        (stats.acquired, stats.timeouts, stats.acquire_errors),
        (2_000, 0, 0)
    );
    assert_whole(&pool, "a thousand tasks").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_tasks_on_several_threads() {
    #[track]
    async fn one(pool: &Pool, number: i64) -> sqlx::Result<usize> {
        let carried = {
            let pool = pool.clone();
            async move { sqlx::query(HUNDRED).fetch_all(&pool).await }
        };
        let rows = tokio::spawn(carried.in_current_scope()).await.unwrap()?;
        let mut connection = pool.acquire().await?;
        sqlx::query(BY_ID)
            .bind(number)
            .fetch_optional(&mut *connection)
            .await?;
        Ok(rows.len())
    }
    let Some(pool) = pool_of(10).await else {
        return;
    };
    let ((), counted) = leash::testing::counting(async {
        crowd(&pool, |pool, number| {
            let work = async move { assert_eq!(one(&pool, number).await.unwrap(), 100) };
            Box::pin(work.in_current_scope())
        })
        .await;
    })
    .await;
    assert_eq!(
        counted, 2_000,
        "carried tasks count in the scope that spawned them"
    );
    let stats = pool.stats();
    assert_eq!(
        (stats.acquired, stats.timeouts, stats.acquire_errors),
        (2_000, 0, 0)
    );
    assert_whole(&pool, "a thousand tasks").await;
}
