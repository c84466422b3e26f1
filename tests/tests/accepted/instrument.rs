//! `#[instrument]` and other attributes that rewrite a function, above `#[track]` and below it.

#![deny(warnings, rust_2018_idioms)]

use futures::future::BoxFuture;
use sqlx::{SqlitePool, track};
use tracing::instrument;

#[instrument(skip_all)]
#[track]
async fn above(pool: &SqlitePool) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT 1").fetch_one(pool).await
}

#[track(root)]
#[instrument(skip(pool), fields(id = id + 1), err, ret)]
async fn below(pool: &SqlitePool, id: i64) -> sqlx::Result<i64> {
    if id == 0 {
        return Err(sqlx::Error::RowNotFound);
    }
    sqlx::query_scalar("SELECT ?")
        .bind(id)
        .fetch_one(pool)
        .await
}

#[cfg_attr(all(), instrument(skip_all))]
#[track]
async fn conditionally_above(pool: &SqlitePool) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT 3").fetch_one(pool).await
}

#[track]
#[cfg_attr(all(), instrument(skip_all))]
async fn conditionally_below(pool: &SqlitePool) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT 4").fetch_one(pool).await
}

#[track]
#[cfg_attr(any(), instrument(skip_all))]
#[cfg_attr(any(), track(nonsense))]
async fn under_no_condition(pool: &SqlitePool) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT 5").fetch_one(pool).await
}

struct Repo {
    pool: SqlitePool,
}

#[track]
impl Repo {
    #[instrument(skip(self))]
    async fn within(&self, id: i64) -> sqlx::Result<i64> {
        sqlx::query_scalar("SELECT ?")
            .bind(id)
            .fetch_one(&self.pool)
            .await
    }

    #[track(max_queries = 2)]
    #[instrument(level = "debug", skip_all)]
    async fn mutable(&mut self, mut id: i64) -> sqlx::Result<i64> {
        id += 1;
        self.within(id).await
    }

    #[instrument(skip_all)]
    #[track(name = "boxed")]
    fn boxed<'a>(&'a self, _name: &'a str) -> BoxFuture<'a, sqlx::Result<i64>> {
        Box::pin(async move { self.within(8).await })
    }

    #[instrument(skip_all)]
    fn plain(&self) -> u32 {
        self.pool.size()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn runs() -> sqlx::Result<()> {
    let pool = leash_tests::in_memory().await;
    assert_eq!(above(&pool).await?, 1);
    assert_eq!(below(&pool, 2).await?, 2);
    assert!(below(&pool, 0).await.is_err());
    assert_eq!(conditionally_above(&pool).await?, 3);
    assert_eq!(conditionally_below(&pool).await?, 4);
    assert_eq!(under_no_condition(&pool).await?, 5);
    let mut repo = Repo { pool };
    assert_eq!(repo.within(6).await?, 6);
    assert_eq!(repo.mutable(6).await?, 7);
    assert_eq!(repo.boxed("").await?, 8);
    assert!(repo.plain() > 0);
    Ok(())
}
