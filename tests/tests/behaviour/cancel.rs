//! A cancelled `begin()` never returns its connection to the pool inside a transaction.

use futures::future::BoxFuture;
use sqlx::mysql::MySqlPoolOptions;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Acquire, Connection, Executor, PgPool, SqlitePool, track};

use crate::common::{TestPool, Tx, poll_at_most, pool_of};

/// Asserts that the connection is outside a transaction: SQLite does not begin one within another.
async fn assert_outside(connection: &mut SqliteConnection, polls: usize) {
    let begun = connection.execute("BEGIN").await;
    begun.unwrap_or_else(|error| {
        panic!("cancelled after {polls} polls, the connection is inside a transaction: {error}")
    });
    connection.execute("ROLLBACK").await.unwrap();
}

/// Cancels `begin` after each number of polls, beyond the number that it needs.
async fn check<T>(pool: &TestPool, begin: impl AsyncFn() -> sqlx::Result<T>) {
    for polls in 0..6 {
        // Several times: the answer may arrive before the first poll, or before the next.
        for _ in 0..10 {
            drop(poll_at_most(polls, begin()).await.transpose().unwrap());
            assert_outside(&mut pool.acquire().await.unwrap(), polls).await;
            pool.assert_empty();
        }
    }
    pool.assert_serves_all().await;
}

#[track]
async fn tracked(pool: &SqlitePool) -> sqlx::Result<Tx> {
    pool.begin().await
}

#[tokio::test]
async fn on_a_pool() {
    let pool = pool_of(1).await;
    check(&pool, async || pool.begin().await).await;
    check(&pool, async || pool.begin_with("BEGIN IMMEDIATE").await).await;
    check(&pool, async || Acquire::begin(&*pool).await).await;
    check(&pool, async || tracked(&pool).await).await;
    check(&pool, async || pool.try_begin().await).await;
    // sqlx's own `begin`, which the migrator calls.
    check(&pool, async || sqlx_begin(&pool).await).await;
}

/// Begins through sqlx's own trait, as the migrator does.
async fn sqlx_begin(pool: &SqlitePool) -> sqlx::Result<()> {
    let migrator = sqlx::migrate::Migrator::DEFAULT;
    migrator
        .run(pool)
        .await
        .map_err(|error| sqlx::Error::Protocol(error.to_string()))
}

#[tokio::test]
async fn on_a_connection() {
    let pool = pool_of(1).await;
    check(&pool, async || {
        let mut connection = pool.acquire().await?;
        let tx = connection.begin().await?;
        tx.commit().await
    })
    .await;
    check(&pool, async || {
        let mut connection = pool.acquire().await?;
        connection
            .transaction(|tx| Box::pin(async move { tx.execute("SELECT 1").await.map(drop) }))
            .await
    })
    .await;
    check(&pool, async || {
        let mut tx = pool.begin().await?;
        let mut savepoint = tx.begin().await?;
        savepoint.execute("SELECT 1").await?;
        savepoint.commit().await?;
        tx.commit().await
    })
    .await;
}

/// A cancelled savepoint leaves the transaction around it as it was.
#[tokio::test]
async fn on_a_transaction() {
    let pool = pool_of(1).await;
    for polls in 0..6 {
        let mut tx = pool.begin().await.unwrap();
        tx.execute("INSERT INTO exam (name) VALUES ('before')")
            .await
            .unwrap();
        let savepoint = poll_at_most(polls, tx.begin()).await.transpose().unwrap();
        drop(savepoint);
        tx.execute("INSERT INTO exam (name) VALUES ('after')")
            .await
            .unwrap();
        tx.commit().await.unwrap();
        assert_outside(&mut pool.acquire().await.unwrap(), polls).await;
    }
    let written: i64 = sqlx::query_scalar("SELECT count(*) FROM exam")
        .fetch_one(&*pool)
        .await
        .unwrap();
    assert_eq!(written, 12);
    pool.assert_empty();
}

/// Asks twice for the transaction's id: inside a transaction both ids are the same, outside they differ.
async fn is_inside(pool: &PgPool) -> bool {
    let mut connection = pool.acquire().await.unwrap();
    let one: String = sqlx::query_scalar("SELECT pg_current_xact_id()::text")
        .fetch_one(&mut *connection)
        .await
        .unwrap();
    let two: String = sqlx::query_scalar("SELECT pg_current_xact_id()::text")
        .fetch_one(&mut *connection)
        .await
        .unwrap();
    one == two
}

/// The recipe of transact-rs/sqlx#4393.
#[tokio::test]
async fn on_a_pool_of_postgres() {
    let Some(db) = leash_tests::support::postgres().await else {
        return;
    };
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .connect(db.url())
        .await
        .unwrap();
    let begins: [(&str, fn(&PgPool) -> BoxFuture<'_, sqlx::Result<()>>); 3] = [
        ("begin", |pool| {
            Box::pin(async { pool.begin().await.map(drop) })
        }),
        ("begin_with", |pool| {
            Box::pin(async { pool.begin_with("BEGIN READ WRITE").await.map(drop) })
        }),
        ("Acquire", |pool| {
            Box::pin(async move { Acquire::begin(pool).await.map(drop) })
        }),
    ];
    assert!(!is_inside(&pool).await);
    for (name, begin) in begins {
        for polls in 0..8 {
            poll_at_most(polls, begin(&pool)).await.transpose().unwrap();
            assert!(
                !is_inside(&pool).await,
                "{name}, cancelled after {polls} polls"
            );
        }
    }
    // `is_inside` does detect a transaction.
    let mut connection = pool.acquire().await.unwrap();
    connection.execute("BEGIN").await.unwrap();
    drop(connection);
    assert!(is_inside(&pool).await);
}

#[tokio::test]
async fn on_a_pool_of_mysql() {
    let Some(db) = leash_tests::support::mysql().await else {
        return;
    };
    let pool = MySqlPoolOptions::new()
        .max_connections(1)
        .connect(db.url())
        .await
        .unwrap();
    pool.execute("CREATE TABLE exam (id INT AUTO_INCREMENT PRIMARY KEY) ENGINE = InnoDB")
        .await
        .unwrap();
    for polls in 0..8_u64 {
        poll_at_most(usize::try_from(polls).unwrap(), pool.begin())
            .await
            .transpose()
            .unwrap();
        // Outside a transaction the row is written at once. Inside one, the rollback removes it.
        let mut connection = pool.acquire().await.unwrap();
        connection
            .execute("INSERT INTO exam VALUES ()")
            .await
            .unwrap();
        connection.execute("ROLLBACK").await.unwrap();
        let written: i64 = sqlx::query_scalar("SELECT count(*) FROM exam")
            .fetch_one(&mut *connection)
            .await
            .unwrap();
        assert_eq!(
            u64::try_from(written).unwrap(),
            polls + 1,
            "cancelled after {polls} polls"
        );
    }
}
