//! Closures, async blocks, tasks and timeouts within a body.

#![deny(warnings, rust_2018_idioms)]

use std::collections::HashMap;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use sqlx::{SqlitePool, track};
use tokio::time::timeout;

struct Repo {
    pool: SqlitePool,
}

#[track]
impl Repo {
    async fn async_closures(&self) -> sqlx::Result<Vec<i64>> {
        let one = async |id: i64| {
            sqlx::query_scalar("SELECT ?")
                .bind(id)
                .fetch_one(&self.pool)
                .await
        };
        futures::future::try_join_all([1, 2].map(one)).await
    }

    async fn closures_of_blocks(&self) -> Vec<sqlx::Result<i64>> {
        futures::stream::iter([1_i64, 2])
            .map(|id| async move {
                if id > 5 {
                    return Err(sqlx::Error::RowNotFound);
                }
                sqlx::query_scalar("SELECT ?")
                    .bind(id)
                    .fetch_one(&self.pool)
                    .await
            })
            .buffer_unordered(2)
            .collect()
            .await
    }

    async fn closures_with_a_return(&self) -> Option<i64> {
        let find = |id: i64| -> BoxFuture<'_, sqlx::Result<i64>> {
            if id == 0 {
                return Box::pin(async { Ok(0) });
            }
            sqlx::query_scalar("SELECT 3").fetch_one(&self.pool).boxed()
        };
        let first = find(0).await.ok()?;
        Some(first + find(1).await.ok()?)
    }

    async fn blocks(&self) -> i64 {
        let outcome: sqlx::Result<i64> = async {
            sqlx::query("SELECT 4").execute(&self.pool).await?;
            sqlx::query_scalar("SELECT 5").fetch_one(&self.pool).await
        }
        .await;
        outcome.unwrap_or(0)
    }

    async fn tasks(&self) -> sqlx::Result<i64> {
        let pool = self.pool.clone();
        let task = tokio::spawn(async move {
            sqlx::query_scalar::<_, i64>("SELECT 6")
                .fetch_one(&pool)
                .await
        });
        let mut tasks = tokio::task::JoinSet::new();
        let pool = self.pool.clone();
        tasks.spawn(async move {
            sqlx::query_scalar::<_, i64>("SELECT 7")
                .fetch_one(&pool)
                .await
        });
        let mut sum = task.await.unwrap()?;
        while let Some(number) = tasks.join_next().await {
            sum += number.unwrap()?;
        }
        Ok(sum)
    }

    async fn in_time(&self) -> Result<i64, Box<dyn std::error::Error>> {
        let limit = Duration::from_secs(60);
        let future = sqlx::query_scalar::<_, i64>("SELECT 8").fetch_one(&self.pool);
        let first = timeout(limit, future).await??;
        let second = sqlx::query_scalar::<_, i64>("SELECT 9").fetch_one(&self.pool);
        Ok(first + timeout(limit, second.map(|row| row)).await??)
    }

    async fn chained(&self) -> i64 {
        sqlx::query_scalar::<_, i64>("SELECT 10")
            .fetch_one(&self.pool)
            .then(async |row| row.map(|number| number + 1))
            .await
            .unwrap_or_default()
    }

    async fn items(&self) -> i64 {
        static COUNT: i64 = 12;
        fn inner() -> i64 {
            COUNT
        }
        let map: HashMap<i64, i64> = HashMap::new();
        inner() + i64::try_from(map.len()).unwrap_or(0)
    }

    async fn attributes(&self) -> sqlx::Result<()> {
        #[cfg(any())]
        sqlx::query("SELECT 13").execute(&self.nothing).await?;
        #[cfg(any())]
        self.nothing.acquire().await;
        #[allow(clippy::let_underscore_future)]
        let _ = sqlx::query("SELECT 13").execute(&self.pool);
        #[cfg(test)]
        drop(sqlx::query("SELECT 13").execute(&self.pool));
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn runs() -> sqlx::Result<()> {
    let pool = leash_tests::in_memory().await;
    let repo = Repo { pool };
    assert_eq!(repo.async_closures().await?, [1, 2]);
    assert_eq!(repo.closures_of_blocks().await.len(), 2);
    assert_eq!(repo.closures_with_a_return().await, Some(3));
    assert_eq!(repo.blocks().await, 5);
    assert_eq!(repo.tasks().await?, 13);
    assert_eq!(repo.in_time().await.unwrap(), 17);
    assert_eq!(repo.chained().await, 11);
    assert_eq!(repo.items().await, 12);
    repo.attributes().await
}
