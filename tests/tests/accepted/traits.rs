//! Traits with default bodies, and their impls.

#![deny(warnings, rust_2018_idioms)]

use futures::future::BoxFuture;
use sqlx::{SqlitePool, track};

trait Store {
    const LIMIT: i64;
    type Key;

    async fn find(&self, id: Self::Key) -> sqlx::Result<i64>;
    fn sendable(&self) -> impl Future<Output = sqlx::Result<i64>> + Send;
    fn boxed(&self) -> BoxFuture<'_, u8>;
    fn plain(&self) -> u8;
}

struct Repo {
    pool: SqlitePool,
}

#[track(max_queries = 9)]
impl Store for Repo {
    const LIMIT: i64 = 3;
    type Key = i64;

    async fn find(&self, id: Self::Key) -> sqlx::Result<i64> {
        sqlx::query_scalar("SELECT ?")
            .bind(id.min(Self::LIMIT))
            .fetch_one(&self.pool)
            .await
    }

    async fn sendable(&self) -> sqlx::Result<i64> {
        sqlx::query_scalar("SELECT 1").fetch_one(&self.pool).await
    }

    fn boxed(&self) -> BoxFuture<'_, u8> {
        Box::pin(async { 2 })
    }

    fn plain(&self) -> u8 {
        3
    }
}

struct Other(SqlitePool);

#[track]
impl Store for Other {
    const LIMIT: i64 = 4;
    type Key = ();

    #[track(skip)]
    async fn find(&self, (): ()) -> sqlx::Result<i64> {
        sqlx::query_scalar("SELECT 4").fetch_one(&self.0).await
    }

    fn sendable(&self) -> impl Future<Output = sqlx::Result<i64>> + Send {
        async { sqlx::query_scalar("SELECT 5").fetch_one(&self.0).await }
    }

    fn boxed(&self) -> BoxFuture<'_, u8> {
        Box::pin(std::future::ready(6))
    }

    fn plain(&self) -> u8 {
        7
    }
}

#[track]
trait Defaults: Sync {
    async fn needed(&self) -> u8;

    #[track(skip)]
    async fn needed_and_skipped(&self) -> u8;

    async fn given(&self, pool: &SqlitePool) -> sqlx::Result<i64> {
        sqlx::query_scalar("SELECT 8").fetch_one(pool).await
    }

    #[track(root, max_queries = 2)]
    async fn of_one_self(self, pool: &SqlitePool) -> sqlx::Result<Self>
    where
        Self: Sized,
    {
        sqlx::query("SELECT 9").execute(pool).await?;
        Ok(self)
    }

    fn sendable(&self, pool: &SqlitePool) -> impl Future<Output = sqlx::Result<i64>> + Send {
        sqlx::query_scalar("SELECT 10").fetch_one(pool)
    }
}

#[track]
impl Defaults for Repo {
    async fn needed(&self) -> u8 {
        11
    }

    async fn needed_and_skipped(&self) -> u8 {
        12
    }
}

/// One for every pool.
trait Extension {
    async fn number(self) -> sqlx::Result<i64>;
}

#[track]
impl<T> Extension for T
where
    T: AsRef<SqlitePool>,
{
    async fn number(self) -> sqlx::Result<i64> {
        sqlx::query_scalar("SELECT 13")
            .fetch_one(self.as_ref())
            .await
    }
}

impl AsRef<SqlitePool> for Repo {
    fn as_ref(&self) -> &SqlitePool {
        &self.pool
    }
}

fn is_send<T: Send>(value: T) -> T {
    value
}

#[tokio::test(flavor = "multi_thread")]
async fn runs() -> sqlx::Result<()> {
    let pool = leash_tests::in_memory().await;
    let repo = Repo { pool: pool.clone() };
    assert_eq!(is_send(repo.find(9)).await?, 3);
    assert_eq!(is_send(repo.sendable_of_store()).await?, 1);
    assert_eq!(repo.boxed().await + Store::plain(&repo), 5);
    let other = Other(pool.clone());
    assert_eq!(other.find(()).await? + Other::LIMIT, 8);
    assert_eq!(is_send(other.sendable()).await?, 5);
    assert_eq!(other.boxed().await + other.plain(), 13);
    assert_eq!(repo.needed().await + repo.needed_and_skipped().await, 23);
    assert_eq!(repo.given(&pool).await?, 8);
    assert_eq!(is_send(Defaults::sendable(&repo, &pool)).await?, 10);
    assert_eq!(repo.of_one_self(&pool).await?.number().await?, 13);
    Ok(())
}

#[track]
impl Repo {
    fn sendable_of_store(&self) -> impl Future<Output = sqlx::Result<i64>> + Send {
        Store::sendable(self)
    }
}
