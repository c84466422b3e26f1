//! Functions that return a stream.

#![deny(warnings, rust_2018_idioms)]

use std::pin::Pin;

use futures::stream::{BoxStream, LocalBoxStream};
use futures::{Stream, StreamExt, TryStreamExt};
use sqlx::{SqlitePool, track};

struct Repo {
    pool: SqlitePool,
}

#[track]
impl Repo {
    fn boxed(&self) -> BoxStream<'_, sqlx::Result<i64>> {
        sqlx::query_scalar("SELECT 1").fetch(&self.pool)
    }

    #[rustfmt::skip]
    fn on_one_line(&self) -> BoxStream<'_, sqlx::Result<i64>> { sqlx::query_scalar("SELECT 2").fetch(&self.pool) }

    fn spelled_out(&self) -> Pin<Box<dyn Stream<Item = sqlx::Result<i64>> + Send + '_>> {
        Box::pin(sqlx::query_scalar("SELECT 3").fetch(&self.pool))
    }

    fn opaque(&self) -> impl Stream<Item = sqlx::Result<i64>> + '_ {
        sqlx::query_scalar("SELECT 4")
            .fetch(&self.pool)
            .map(|row| row)
    }

    fn local(&self) -> LocalBoxStream<'_, i64> {
        let local = std::rc::Rc::new(5);
        futures::stream::iter([1])
            .map(move |_| *local)
            .boxed_local()
    }

    fn returned_early(&self, early: bool) -> BoxStream<'_, sqlx::Result<i64>> {
        if early {
            return futures::stream::empty().boxed();
        }
        sqlx::query_scalar("SELECT 6").fetch(&self.pool)
    }

    fn of_a_macro(&self) -> impl Stream<Item = sqlx::Result<i64>> + '_ {
        async_stream::try_stream! {
            let mut rows = sqlx::query_scalar("SELECT 7").fetch(&self.pool);
            while let Some(row) = rows.next().await {
                yield row?;
            }
            let last = sqlx::query_scalar("SELECT 8").fetch_one(&self.pool).await?;
            yield last;
        }
    }

    fn in_an_option(&self) -> Option<BoxStream<'_, sqlx::Result<i64>>> {
        Some(sqlx::query_scalar("SELECT 9").fetch(&self.pool))
    }

    async fn read(&self) -> sqlx::Result<i64> {
        let mut sum = 0;
        let mut rows = sqlx::query_scalar::<_, i64>("SELECT 10").fetch(&self.pool);
        while let Some(row) = rows.try_next().await? {
            sum += row;
        }
        drop(rows);
        let rows: Vec<i64> = sqlx::query_scalar::<_, i64>("SELECT 11")
            .fetch(&self.pool)
            .try_collect()
            .await?;
        Ok(sum + rows[0])
    }
}

async fn first<T>(stream: impl Stream<Item = sqlx::Result<T>>) -> sqlx::Result<Vec<T>> {
    stream.try_collect().await
}

#[tokio::test]
async fn runs() -> sqlx::Result<()> {
    let pool = leash_tests::in_memory().await;
    let repo = Repo { pool };
    assert_eq!(first(repo.boxed()).await?, [1]);
    assert_eq!(first(repo.on_one_line()).await?, [2]);
    assert_eq!(first(repo.spelled_out()).await?, [3]);
    assert_eq!(first(repo.opaque()).await?, [4]);
    assert_eq!(repo.local().collect::<Vec<_>>().await, [5]);
    assert_eq!(first(repo.returned_early(false)).await?, [6]);
    assert!(first(repo.returned_early(true)).await?.is_empty());
    assert_eq!(first(repo.of_a_macro()).await?, [7, 8]);
    assert_eq!(first(repo.in_an_option().unwrap()).await?, [9]);
    assert_eq!(repo.read().await?, 21);
    Ok(())
}
