//! Near misses: nothing is refused, or not because the database is locked.

use sqlx::leash::testing::findings;
use sqlx::leash::{Config, Level, Lint};
use sqlx::{SqlitePool, track};

use super::{COUNT, Delete, Open, POST, Wal, messages};
use crate::common::assert_none;

type Result<T = ()> = sqlx::Result<T>;

#[track]
async fn fails_otherwise(pool: &SqlitePool) -> Result {
    let twice = "INSERT INTO message (id) VALUES (1)";
    sqlx::query(twice).execute(pool).await?;
    assert!(sqlx::query(twice).execute(pool).await.is_err());
    let nowhere = "INSERT INTO database_is_locked VALUES (5)";
    assert!(sqlx::query(nowhere).execute(pool).await.is_err());
    let none = sqlx::query("SELECT * FROM message WHERE id = 517").fetch_one(pool);
    assert!(none.await.is_err());
    let wrong = sqlx::query_scalar::<_, i64>("SELECT 'SQLITE_BUSY'").fetch_one(pool);
    assert!(wrong.await.is_err());
    let mut tx = pool.begin().await?;
    assert!(sqlx::query(twice).execute(&mut *tx).await.is_err());
    tx.commit().await
}

#[track]
async fn posts(pool: &SqlitePool) -> Result {
    sqlx::query(POST).execute(pool).await?;
    Ok(())
}

/// Its writers wait for each other, and succeed.
#[track]
async fn posts_often(pool: &SqlitePool) -> Result {
    for _ in 0..20 {
        let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query(COUNT).fetch_one(&mut *tx).await?;
        sqlx::query(POST).execute(&mut *tx).await?;
        tx.commit().await?;
    }
    Ok(())
}

#[track(allow(database_locked, reason = "a test"))]
async fn is_allowed(pool: &SqlitePool) -> Result {
    sqlx::query(POST).execute(pool).await?;
    Ok(())
}

#[tokio::test]
async fn other_errors_and_short_waits() {
    for journal in [Wal, Delete] {
        let pool = messages(journal).await;
        let (result, found) = findings(fails_otherwise(&pool)).await;
        result.unwrap();
        assert_none(&found);

        let both = async { futures::try_join!(posts_often(&pool), posts_often(&pool)) };
        let (result, found) = findings(Box::pin(both)).await;
        result.unwrap();
        assert_none(&found);
    }
}

#[tokio::test]
async fn a_wait_that_ends_in_time() {
    let pool = messages(Wal).await;
    let open = Open::writer(&pool).await;
    let ends = async {
        crate::common::until("the statement is sent", || pool.stats().handles == 2).await;
        open.ends().await;
    };
    let both = async { futures::future::join(posts(&pool), ends).await };
    let ((result, ()), found) = findings(Box::pin(both)).await;
    result.unwrap();
    assert_none(&found);
}

#[tokio::test]
async fn an_allowed_one() {
    let pool = messages(Wal).await;
    let open = Open::writer(&pool).await;
    let (result, found) = findings(is_allowed(&pool)).await;
    result.unwrap_err();
    assert_none(&found);
    open.ends().await;
    let _ = Config::new().level(Lint::DatabaseLocked, Level::Allow);
    assert_eq!("database_locked".parse(), Ok(Lint::DatabaseLocked));
}
