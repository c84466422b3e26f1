//! Functions that are not `async` and return a future.

#![deny(warnings, rust_2018_idioms)]

use std::pin::Pin;

use futures::FutureExt;
use futures::future::{BoxFuture, LocalBoxFuture};
use sqlx::{SqlitePool, track};

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

struct Repo {
    pool: SqlitePool,
    name: String,
}

#[track(root)]
impl Repo {
    fn a_query(&self) -> impl Future<Output = sqlx::Result<i64>> + '_ {
        sqlx::query_scalar("SELECT 1").fetch_one(&self.pool)
    }

    fn a_block(&self) -> impl Future<Output = sqlx::Result<i64>> + Send + use<'_> {
        async move {
            sqlx::query("SELECT 2").execute(&self.pool).await?;
            Ok(2)
        }
    }

    fn work_before(&self, id: i64) -> impl Future<Output = sqlx::Result<i64>> {
        let query = sqlx::query_scalar("SELECT ?").bind(id);
        let query = if id > 2 {
            query.persistent(false)
        } else {
            query
        };
        query.fetch_one(&self.pool)
    }

    fn owned(&self) -> impl Future<Output = sqlx::Result<i64>> + Send + 'static + use<> {
        let pool = self.pool.clone();
        async move { sqlx::query_scalar("SELECT 4").fetch_one(&pool).await }
    }

    fn unpin(&self, early: bool) -> impl Future<Output = u8> + Unpin + use<> {
        if early {
            return std::future::ready(1);
        }
        std::future::ready(2)
    }

    fn boxed(&self) -> Pin<Box<dyn Future<Output = sqlx::Result<i64>> + Send + '_>> {
        Box::pin(async move { sqlx::query_scalar("SELECT 5").fetch_one(&self.pool).await })
    }

    fn returned_early(&self, early: bool) -> BoxFuture<'_, sqlx::Result<i64>> {
        if early {
            return Box::pin(async { Err(sqlx::Error::RowNotFound) });
        }
        Box::pin(async move { sqlx::query_scalar("SELECT 6").fetch_one(&self.pool).await })
    }

    fn boxed_by_a_method(&self) -> BoxFuture<'_, sqlx::Result<i64>> {
        let query = sqlx::query_scalar("SELECT 7");
        async move { query.fetch_one(&self.pool).await }.boxed()
    }

    fn mutable<'a>(&'a mut self, text: &'a str) -> BoxFuture<'a, sqlx::Result<&'a mut String>> {
        Box::pin(async move {
            self.name.push_str(text);
            Ok(&mut self.name)
        })
    }

    fn local(&self) -> LocalBoxFuture<'_, i64> {
        Box::pin(async move {
            let local = std::rc::Rc::new(8);
            tokio::task::yield_now().await;
            *local
        })
    }

    #[track(name = "recursive", returns_handle)]
    fn recursive(&self, depth: u8) -> BoxFuture<'_, sqlx::Result<i64>> {
        Box::pin(async move {
            match depth {
                0 => sqlx::query_scalar("SELECT 9").fetch_one(&self.pool).await,
                _ => self.recursive(depth - 1).await,
            }
        })
    }

    fn generic<'a, T>(&'a self, values: Vec<T>) -> BoxFuture<'a, usize>
    where
        T: Send + 'a,
    {
        Box::pin(async move { values.len() })
    }

    fn opaque_output(&self) -> impl Future<Output = impl Iterator<Item = u8>> {
        async { [1, 2].into_iter() }
    }
}

#[track]
impl Repo {
    fn aliased(&self) -> Boxed<'_, sqlx::Result<i64>> {
        Box::pin(async move { sqlx::query_scalar("SELECT 10").fetch_one(&self.pool).await })
    }

    fn with_another_promise(&self) -> impl Future<Output = u8> + std::fmt::Debug + use<> {
        std::future::ready(11)
    }

    fn in_an_option(&self) -> Option<BoxFuture<'_, sqlx::Result<i64>>> {
        Some(Box::pin(
            sqlx::query_scalar("SELECT 12").fetch_one(&self.pool),
        ))
    }

    fn spawned(&self) -> tokio::task::JoinHandle<sqlx::Result<i64>> {
        let pool = self.pool.clone();
        tokio::spawn(async move { sqlx::query_scalar("SELECT 13").fetch_one(&pool).await })
    }
}

#[tokio::test]
async fn runs() -> sqlx::Result<()> {
    let pool = leash_tests::in_memory().await;
    let name = String::new();
    let mut repo = Repo { pool, name };
    assert_eq!(repo.a_query().await?, 1);
    assert_eq!(repo.a_block().await?, 2);
    assert_eq!(repo.work_before(3).await?, 3);
    assert_eq!(tokio::spawn(repo.owned()).await.unwrap()?, 4);
    assert_eq!((&mut repo.unpin(true)).await + repo.unpin(false).await, 3);
    assert_eq!(repo.boxed().await?, 5);
    assert_eq!(repo.returned_early(false).await?, 6);
    assert!(repo.returned_early(true).await.is_err());
    assert_eq!(repo.boxed_by_a_method().await?, 7);
    assert_eq!(repo.mutable("x").await?, "x");
    assert_eq!(repo.local().await, 8);
    assert_eq!(repo.recursive(3).await?, 9);
    assert_eq!(repo.generic(vec![1, 2]).await, 2);
    assert_eq!(repo.opaque_output().await.count(), 2);
    assert_eq!(repo.aliased().await?, 10);
    assert_eq!(repo.with_another_promise().await, 11);
    assert_eq!(repo.in_an_option().unwrap().await?, 12);
    assert_eq!(repo.spawned().await.unwrap()?, 13);
    Ok(())
}
