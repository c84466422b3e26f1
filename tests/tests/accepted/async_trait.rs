//! `#[async_trait]` above `#[track]` and below it.

#![deny(warnings, rust_2018_idioms)]

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::{SqliteConnection, SqlitePool, track};
use tracing::instrument;

#[async_trait]
trait Store {
    async fn find(&self, id: i64) -> sqlx::Result<i64>;
    async fn rename<'a>(&mut self, name: &'a str, times: u8) -> &'a str;
    async fn within(&self, conn: &mut SqliteConnection) -> sqlx::Result<i64>;
}

struct Repo {
    pool: SqlitePool,
    name: String,
}

#[track(max_queries = 9)]
#[async_trait]
impl Store for Repo {
    #[instrument(skip(self))]
    async fn find(&self, id: i64) -> sqlx::Result<i64> {
        sqlx::query_scalar("SELECT ?")
            .bind(id)
            .fetch_one(&self.pool)
            .await
    }

    #[track(root)]
    async fn rename<'a>(&mut self, name: &'a str, mut times: u8) -> &'a str {
        times += 1;
        self.name = name.repeat(usize::from(times));
        name
    }

    #[track(skip)]
    async fn within(&self, conn: &mut SqliteConnection) -> sqlx::Result<i64> {
        sqlx::query_scalar("SELECT 2").fetch_one(conn).await
    }
}

#[async_trait]
#[track]
impl Store for Arc<Repo> {
    #[instrument(skip(self))]
    async fn find(&self, id: i64) -> sqlx::Result<i64> {
        if id == 0 {
            return Err(sqlx::Error::RowNotFound);
        }
        Ok(Store::find(&**self, id).await? + 1)
    }

    #[track(name = "arc.rename")]
    async fn rename<'a>(&mut self, name: &'a str, _times: u8) -> &'a str {
        name
    }

    async fn within(&self, conn: &mut SqliteConnection) -> sqlx::Result<i64> {
        sqlx::query_scalar("SELECT 3").fetch_one(conn).await
    }
}

#[track]
#[async_trait]
trait DefaultsBelow: Sync {
    async fn needed(&self) -> u8;

    async fn given(&self, pool: &SqlitePool) -> sqlx::Result<i64> {
        sqlx::query_scalar("SELECT 4").fetch_one(pool).await
    }
}

#[async_trait(?Send)]
#[track]
trait DefaultsAbove {
    async fn needed(&self) -> u8;

    async fn given(&self, pool: &SqlitePool) -> sqlx::Result<i64> {
        let local = std::rc::Rc::new(5_i64);
        let number: i64 = sqlx::query_scalar("SELECT 5").fetch_one(pool).await?;
        Ok(number + *local)
    }
}

#[track]
#[async_trait]
impl DefaultsBelow for Repo {
    async fn needed(&self) -> u8 {
        6
    }
}

#[track]
#[async_trait(?Send)]
impl DefaultsAbove for Repo {
    async fn needed(&self) -> u8 {
        7
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn runs() -> sqlx::Result<()> {
    let pool = leash_tests::in_memory().await;
    let name = String::new();
    let mut repo = Repo {
        pool: pool.clone(),
        name,
    };
    let store: &mut (dyn Store + Send + Sync) = &mut repo;
    assert_eq!(store.find(1).await?, 1);
    assert_eq!(store.rename("x", 2).await, "x");
    let mut conn = pool.acquire().await?;
    assert_eq!(store.within(&mut conn).await?, 2);
    assert_eq!(DefaultsBelow::needed(&repo).await, 6);
    assert_eq!(DefaultsAbove::needed(&repo).await, 7);
    assert_eq!(repo.name, "xxx");

    let mut shared = Arc::new(repo);
    assert_eq!(shared.within(&mut conn).await?, 3);
    drop(conn);
    assert_eq!(DefaultsBelow::given(&*shared, &pool).await?, 4);
    assert_eq!(DefaultsAbove::given(&*shared, &pool).await?, 10);
    assert_eq!(Store::find(&shared, 1).await?, 2);
    assert!(Store::find(&shared, 0).await.is_err());
    assert_eq!(shared.rename("y", 1).await, "y");
    Ok(())
}
