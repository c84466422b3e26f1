//! Futures that are `Send`, `'static` or not, as without the attribute.

#![deny(warnings, rust_2018_idioms)]

use std::rc::Rc;
use std::sync::Arc;

use sqlx::{Connection, Sqlite, SqlitePool, Transaction, track};

#[track]
async fn borrowed(pool: &SqlitePool, id: &i64) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT ?")
        .bind(*id)
        .fetch_one(pool)
        .await
}

#[track]
async fn owned(pool: SqlitePool) -> sqlx::Result<i64> {
    let mut tx: Transaction<'static, Sqlite> = pool.begin().await?;
    let number: i64 = sqlx::query_scalar("SELECT 1").fetch_one(&mut *tx).await?;
    Connection::begin(&mut *tx).await?.rollback().await?;
    let mut savepoint = tx.begin().await?;
    sqlx::query("SELECT 2").execute(&mut *savepoint).await?;
    savepoint.commit().await?;
    tx.commit().await?;
    Ok(number)
}

#[track]
async fn local_before_an_await(pool: &SqlitePool) -> sqlx::Result<i64> {
    let number = {
        let local = Rc::new(1_i64);
        *local
    };
    Ok(number + borrowed(pool, &number).await?)
}

#[track]
async fn never_sent(pool: &SqlitePool) -> sqlx::Result<i64> {
    let local = Rc::new(1_i64);
    let number = borrowed(pool, &local).await?;
    Ok(number + *local)
}

struct Repo {
    pool: SqlitePool,
}

#[track]
impl Repo {
    async fn shared(self: Arc<Self>) -> sqlx::Result<i64> {
        borrowed(&self.pool, &3).await
    }
}

fn is_send<T: Send>(value: T) -> T {
    value
}

#[tokio::test(flavor = "multi_thread")]
async fn runs() -> sqlx::Result<()> {
    let pool = leash_tests::in_memory().await;
    assert_eq!(is_send(borrowed(&pool, &2)).await?, 2);
    assert_eq!(is_send(local_before_an_await(&pool)).await?, 2);
    assert_eq!(tokio::spawn(owned(pool.clone())).await.unwrap()?, 1);
    assert_eq!(never_sent(&pool).await?, 2);
    let repo = Arc::new(Repo { pool });
    assert_eq!(tokio::spawn(repo.shared()).await.unwrap()?, 3);
    Ok(())
}
