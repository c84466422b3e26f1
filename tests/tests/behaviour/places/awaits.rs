//! The place of a statement is the await that sends it.

use futures::future::join_all;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt};
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Executor, Row, SqlitePool, track};
use tokio::time::{Duration, timeout};

use crate::common::{HUNDRED, marked, pool, rows_of};

use super::check;

#[tokio::test]
async fn awaited_in_every_way() {
    #[track]
    async fn ways(pool: &SqlitePool) -> sqlx::Result<()> {
        let _ = sqlx::query("SELECT 1").execute(pool).await; // @plain
        sqlx::query("SELECT 2").execute(pool).await?; // @question mark
        sqlx::query("SELECT 3")
            .bind(1)
            .fetch_one(pool) // @broken line
            .await?;
        let later = sqlx::query("SELECT 4").execute(pool); // @awaited later
        later.await?;
        timeout(
            Duration::from_mins(1),
            sqlx::query("SELECT 5").execute(pool), // @timeout
        )
        .await
        .unwrap()?;
        let block = async { sqlx::query("SELECT 6").execute(pool).await }; // @block
        block.await?;
        let closure = || async { sqlx::query("SELECT 7").execute(pool).await }; // @closure
        closure().await?;
        let async_closure = async || sqlx::query("SELECT 8").execute(pool).await; // @async closure
        async_closure().await?;
        let ones: Vec<i64> = vec![sqlx::query_scalar("SELECT 9").fetch_one(pool).await?]; // @vec
        assert!(
            sqlx::query("SELECT 10")
                .fetch_optional(pool) // @assert
                .await?
                .is_some()
        );
        match ones.len() {
            1 => sqlx::query("SELECT 11").execute(pool).await?, // @arm
            _ => unreachable!(),
        };
        if let Some(row) = sqlx::query("SELECT 12")
            .fetch_optional(pool) // @if let
            .await?
        {
            row.try_get::<i64, _>(0)?;
        }
        Executor::execute(pool, "SELECT 13").await?; // @ufcs
        pool.execute("SELECT 14").await?; // @executor
        assert_eq!(sqlx::query("SELECT 15").fetch_all(pool).await?.len(), 1); // @assert_eq
        sqlx::query("SELECT 16").execute(pool).boxed().await?; // @boxed
        async move { sqlx::query("SELECT 17").execute(pool).await }.await?; // @async move
        let _ = ("äöü", sqlx::query("SELECT 18").execute(pool).await?); // @after umlauts
        Ok(())
    }
    ways(&*pool().await).await.unwrap();
    check(
        "places::awaits::awaited_in_every_way::ways",
        &[
            ("plain", "execute"),
            ("question mark", "execute"),
            ("broken line", "fetch_one"),
            ("awaited later", "execute"),
            ("timeout", "execute"),
            ("block", "execute"),
            ("closure", "execute"),
            ("async closure", "execute"),
            ("vec", "fetch_one"),
            ("assert", "fetch_optional"),
            ("arm", "execute"),
            ("if let", "fetch_optional"),
            ("ufcs", "execute"),
            ("executor", "execute"),
            ("assert_eq", "fetch_all"),
            ("boxed", "execute"),
            ("async move", "execute"),
            ("after umlauts", "execute"),
        ],
    );
}

#[tokio::test]
async fn side_by_side() {
    #[track]
    async fn beside(pool: &SqlitePool) -> sqlx::Result<()> {
        let (a, b) = tokio::join!(
            sqlx::query("SELECT 1").execute(pool), // @join 1
            sqlx::query("SELECT 2").execute(pool), // @join 2
        );
        let (_, _) = (a?, b?);
        let (_, _) = tokio::try_join!(
            sqlx::query("SELECT 3").execute(pool), // @try_join 1
            async { sqlx::query("SELECT 4").execute(pool).await }, // @try_join 2
        )?;
        let (_, _) = futures::join!(
            sqlx::query("SELECT 5").execute(pool), // @futures 1
            pool.execute("SELECT 6"),              // @futures 2
        );
        let all = join_all([
            sqlx::query("SELECT 7").execute(pool), // @join_all
        ]);
        all.await;
        tokio::select! {
            biased;
            result = sqlx::query("SELECT 8").execute(pool) => { // @select
                result?;
                sqlx::query("SELECT 9").execute(pool).await?; // @select handler
            }
            () = std::future::pending() => unreachable!(),
        }
        Ok(())
    }
    beside(&*pool().await).await.unwrap();
    check(
        "places::awaits::side_by_side::beside",
        &[
            ("join 1", "execute"),
            ("join 2", "execute"),
            ("try_join 1", "execute"),
            ("try_join 2", "execute"),
            ("futures 1", "execute"),
            ("futures 2", "execute"),
            ("join_all", "execute"),
            ("select", "execute"),
            ("select handler", "execute"),
        ],
    );
}

#[tokio::test]
async fn of_streams() {
    #[track]
    async fn read(pool: &SqlitePool) -> sqlx::Result<()> {
        let mut rows = sqlx::query("SELECT 1").fetch(pool); // @stream
        while rows.try_next().await?.is_some() {
            // Between two rows of the first stream.
            sqlx::query("SELECT 2").execute(pool).await?; // @inside
        }
        pool.fetch("SELECT 3").try_collect::<Vec<_>>().await?; // @by executor
        sqlx::query_as::<_, (i64,)>("SELECT 4")
            .fetch(pool) // @collected
            .try_collect::<Vec<_>>()
            .await?;
        let mapped = sqlx::query("SELECT 6")
            .map(|row: SqliteRow| row.len())
            .fetch(pool); // @mapped
        assert_eq!(mapped.count().await, 1);
        let mut tx = pool.begin().await?;
        let ones: Vec<_> = sqlx::query_scalar::<_, i64>("SELECT 5")
            .fetch(&mut *tx) // @in transaction
            .try_collect()
            .await?;
        assert_eq!(ones, [1 + 4]);
        Ok(())
    }
    #[track]
    fn stream(pool: &SqlitePool) -> BoxStream<'_, sqlx::Result<SqliteRow>> {
        sqlx::query("SELECT 7").fetch(pool) // @returned
    }
    let pool = pool().await;
    read(&pool).await.unwrap();
    assert_eq!(stream(&pool).count().await, 1);
    check(
        "places::awaits::of_streams::read",
        &[
            ("stream", "fetch"),
            ("inside", "execute"),
            ("by executor", "fetch"),
            ("collected", "fetch"),
            ("mapped", "fetch"),
            ("in transaction", "fetch"),
        ],
    );
    check(
        "places::awaits::of_streams::stream",
        &[("returned", "fetch")],
    );
}

#[tokio::test]
async fn in_transaction_closures() {
    #[track]
    async fn closure(pool: &SqlitePool) -> sqlx::Result<()> {
        let mut connection = pool.acquire().await?;
        connection
            .transaction(|tx| {
                Box::pin(async move {
                    sqlx::query("SELECT 1").execute(&mut **tx).await?; // @in closure
                    tx.execute("SELECT 2").await?; // @by executor in closure
                    sqlx::query("SELECT 3").fetch_one(&mut **tx).await // @in closure too
                })
            })
            .await?;
        Ok(())
    }
    closure(&*pool().await).await.unwrap();
    check(
        "places::awaits::in_transaction_closures::closure",
        &[
            ("in closure", "execute"),
            ("by executor in closure", "execute"),
            ("in closure too", "fetch_one"),
        ],
    );
}

/// Futures move between threads from poll to poll.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn across_threads() {
    #[track]
    async fn left(pool: &SqlitePool) {
        sqlx::query(HUNDRED).fetch_all(pool).await.unwrap(); // @left 1
        tokio::task::yield_now().await;
        sqlx::query(HUNDRED).fetch(pool).count().await; // @left 2
    }
    #[track]
    async fn right(pool: &SqlitePool) {
        tokio::join!(left(pool), async {
            for _ in 0..2 {
                sqlx::query(HUNDRED).fetch_one(pool).await.unwrap(); // @right
            }
        });
    }
    let pool = pool().await;
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let pool = (*pool).clone();
            tokio::spawn(async move { right(&pool).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let counted = |function: &str| -> Vec<_> {
        rows_of(function)
            .into_iter()
            .map(|row| (row.line, row.column, row.calls, row.ok))
            .collect()
    };
    let (one, two, other) = (
        marked("left 1", "fetch_all"),
        marked("left 2", "fetch"),
        marked("right", "fetch_one"),
    );
    assert_eq!(
        counted("places::awaits::across_threads::left"),
        [
            (one.line, one.column, 50, 50),
            (two.line, two.column, 50, 50)
        ]
    );
    assert_eq!(
        counted("places::awaits::across_threads::right"),
        [(other.line, other.column, 100, 100)]
    );
}
