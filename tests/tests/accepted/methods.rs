//! An impl block, with every kind of `self`.

#![deny(warnings, rust_2018_idioms)]

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use sqlx::{Sqlite, SqlitePool, Transaction, track};

#[derive(Clone)]
struct Repo {
    pool: SqlitePool,
    name: String,
}

#[track]
impl Repo {
    const LIMIT: i64 = 3;

    fn new(pool: SqlitePool) -> Self {
        let name = String::new();
        Self { pool, name }
    }

    const fn limit() -> i64 {
        Self::LIMIT
    }

    extern "C" fn called_from_c(number: u8) -> u8 {
        number
    }

    async fn without_self(pool: SqlitePool) -> sqlx::Result<Self> {
        pool.acquire().await?;
        Ok(Self::new(pool))
    }

    async fn by_reference(&self, id: i64) -> sqlx::Result<i64> {
        sqlx::query_scalar("SELECT ?")
            .bind(id.min(Self::limit()))
            .fetch_one(&self.pool)
            .await
    }

    async fn by_mutable_reference(&mut self) -> &mut String {
        self.name.push('x');
        &mut self.name
    }

    async fn by_value(self) -> String {
        self.name
    }

    async fn by_mutable_value(mut self) -> Self {
        self.name.clear();
        self
    }

    async fn by_arc(self: Arc<Self>) -> usize {
        self.name.len()
    }

    async fn by_rc_reference(self: &Rc<Self>) -> usize {
        Rc::strong_count(self)
    }

    async fn by_box(self: Box<Self>) -> Box<Self> {
        self
    }

    async fn by_pin(self: Pin<&mut Self>) -> usize {
        self.name.len()
    }

    async fn by_typed_reference<'a>(self: &'a Self, _other: &str) -> &'a str {
        &self.name
    }

    async fn unused(&self) -> Self {
        Self::new(self.pool.clone())
    }

    async fn begun(&self) -> sqlx::Result<Transaction<'static, Sqlite>> {
        let mut tx = self.pool.begin().await?;
        sqlx::query("SELECT 1").execute(&mut *tx).await?;
        Ok(tx)
    }

    async fn in_pieces(&self) -> (i64, Self) {
        let Self { pool, .. } = self;
        let number = Self::by_reference(self, Self::LIMIT).await;
        (number.unwrap(), Self::new(pool.clone()))
    }

    #[track(skip)]
    async fn skipped(&self) -> sqlx::Result<i64> {
        sqlx::query_scalar("SELECT 1").fetch_one(&self.pool).await
    }

    #[track(max_queries = 7, name = "refined")]
    async fn refined(&self) -> sqlx::Result<i64> {
        sqlx::query_scalar("SELECT 2").fetch_one(&self.pool).await
    }
}

enum Either {
    Left(u8),
    Right,
}

#[track]
impl Either {
    async fn number(&self) -> u8 {
        match self {
            Self::Left(number) => *number,
            Self::Right => 0,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn runs() -> sqlx::Result<()> {
    let pool = leash_tests::in_memory().await;
    let mut repo = Repo::without_self(pool).await?;
    assert_eq!(Repo::called_from_c(1), 1);
    assert_eq!(repo.by_reference(9).await?, 3);
    assert_eq!(repo.by_mutable_reference().await, "x");
    assert_eq!(repo.clone().by_value().await, "x");
    assert_eq!(repo.clone().by_mutable_value().await.name, "");
    assert_eq!(Arc::new(repo.clone()).by_arc().await, 1);
    assert_eq!(Rc::new(repo.clone()).by_rc_reference().await, 1);
    assert_eq!(Box::new(repo.clone()).by_box().await.name, "x");
    assert_eq!(Pin::new(&mut repo).by_pin().await, 1);
    assert_eq!(repo.by_typed_reference("").await, "x");
    assert_eq!(repo.unused().await.name, "");
    repo.begun().await?.rollback().await?;
    assert_eq!(repo.in_pieces().await.0, 3);
    assert_eq!(repo.skipped().await? + repo.refined().await?, 3);
    assert_eq!(
        Either::Left(1).number().await + Either::Right.number().await,
        1
    );
    Ok(())
}
