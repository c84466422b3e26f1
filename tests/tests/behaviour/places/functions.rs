//! The names of functions, also next to other attributes.

use std::future::Future;
use std::pin::Pin;

use async_trait::async_trait;
use futures::future::BoxFuture;
use sqlx::leash;
use sqlx::{Executor, SqlitePool, track};
use tracing::instrument;

use crate::common::{TestPool, pool, rows_of};

use super::check;

mod deep {
    use super::{Executor, SqlitePool, track};

    pub(super) struct Repo<T>(pub(super) T);

    #[track]
    impl<T> Repo<T> {
        pub(super) async fn inherent(&self, pool: &SqlitePool) -> sqlx::Result<()> {
            pool.execute("SELECT 1").await?;
            Ok(())
        }

        pub(super) async fn associated(pool: &SqlitePool) -> sqlx::Result<()> {
            pool.execute("SELECT 1").await?;
            Ok(())
        }

        #[track(name = "repo.named")]
        pub(super) async fn named(&self, pool: &SqlitePool) -> sqlx::Result<()> {
            pool.execute("SELECT 'named'").await?;
            Ok(())
        }
    }
}

trait Finder {
    fn find(&self, pool: &SqlitePool) -> impl Future<Output = sqlx::Result<()>> + Send;

    fn find_boxed<'a>(&'a self, pool: &'a SqlitePool) -> BoxFuture<'a, sqlx::Result<()>>;
}

#[track]
impl Finder for deep::Repo<Vec<u8>> {
    async fn find(&self, pool: &SqlitePool) -> sqlx::Result<()> {
        sqlx::query("SELECT 1").execute(pool).await?; // @trait
        Ok(())
    }

    fn find_boxed<'a>(
        &'a self,
        pool: &'a SqlitePool,
    ) -> Pin<Box<dyn Future<Output = sqlx::Result<()>> + Send + 'a>> {
        Box::pin(async move {
            sqlx::query("SELECT 2").execute(pool).await?; // @trait boxed
            Ok(())
        })
    }
}

#[track]
trait WithDefault {
    fn pool(&self) -> &SqlitePool;

    async fn by_default(&self) -> sqlx::Result<()> {
        sqlx::query("SELECT 1").execute(self.pool()).await?; // @default body
        Ok(())
    }
}

impl WithDefault for TestPool {
    fn pool(&self) -> &SqlitePool {
        self
    }
}

#[tokio::test]
async fn names_of_functions() {
    let pool = pool().await;
    let repo = deep::Repo(Vec::<u8>::new());
    repo.inherent(&pool).await.unwrap();
    deep::Repo::<String>::associated(&pool).await.unwrap();
    repo.named(&pool).await.unwrap();
    repo.find(&pool).await.unwrap();
    repo.find_boxed(&pool).await.unwrap();
    pool.by_default().await.unwrap();
    assert_eq!(rows_of("places::functions::deep::Repo::inherent").len(), 1);
    assert_eq!(
        rows_of("places::functions::deep::Repo::associated").len(),
        1
    );
    let named = leash::snapshot()
        .sites
        .into_iter()
        .find(|row| row.sql == "SELECT 'named'")
        .unwrap();
    assert_eq!(named.function.as_deref(), Some("repo.named"));
    check("<Repo as Finder>::find", &[("trait", "execute")]);
    check(
        "<Repo as Finder>::find_boxed",
        &[("trait boxed", "execute")],
    );
    check(
        "places::functions::WithDefault::by_default",
        &[("default body", "execute")],
    );
}

#[async_trait]
trait Stored {
    async fn above(&self) -> sqlx::Result<()>;
    async fn below(&self) -> sqlx::Result<()>;
}

struct Above(SqlitePool);
struct Below(SqlitePool);

#[track]
#[async_trait]
impl Stored for Above {
    async fn above(&self) -> sqlx::Result<()> {
        sqlx::query("SELECT 1").execute(&self.0).await?; // @above 1
        Ok(())
    }

    async fn below(&self) -> sqlx::Result<()> {
        tokio::try_join!(self.0.execute("SELECT 2"), async { Ok(()) })?; // @above 2
        Ok(())
    }
}

#[async_trait]
#[track]
impl Stored for Below {
    async fn above(&self) -> sqlx::Result<()> {
        sqlx::query("SELECT 1").execute(&self.0).await?; // @below 1
        Ok(())
    }

    async fn below(&self) -> sqlx::Result<()> {
        tokio::try_join!(self.0.execute("SELECT 2"), async { Ok(()) })?; // @below 2
        Ok(())
    }
}

#[tokio::test]
async fn beside_async_trait() {
    let pool = pool().await;
    for stored in [&Above(pool.clone()) as &dyn Stored, &Below(pool.clone())] {
        stored.above().await.unwrap();
        stored.below().await.unwrap();
    }
    check("<Above as Stored>::above", &[("above 1", "execute")]);
    check("<Above as Stored>::below", &[("above 2", "execute")]);
    check("<Below as Stored>::above", &[("below 1", "execute")]);
    check("<Below as Stored>::below", &[("below 2", "execute")]);
}

#[tokio::test]
async fn beside_instrument() {
    #[track]
    #[instrument(skip_all)]
    async fn track_above(pool: &SqlitePool) -> sqlx::Result<()> {
        sqlx::query("SELECT 1").execute(pool).await?; // @track above
        Ok(())
    }
    #[instrument(skip_all)]
    #[track]
    async fn track_below(pool: &SqlitePool) -> sqlx::Result<()> {
        sqlx::query("SELECT 1").execute(pool).await?; // @track below
        Ok(())
    }
    let pool = pool().await;
    track_above(&pool).await.unwrap();
    track_below(&pool).await.unwrap();
    check(
        "places::functions::beside_instrument::track_above",
        &[("track above", "execute")],
    );
    check(
        "places::functions::beside_instrument::track_below",
        &[("track below", "execute")],
    );
}
