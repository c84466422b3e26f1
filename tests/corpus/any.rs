//! `Any`: the database is known only at run time.

use futures::TryStreamExt;
use leash_test_support as support;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions, AnyRow, install_default_drivers};
use sqlx::{
    Acquire, Any, AnyConnection, AnyExecutor, AnyPool, Connection, Executor, Row, Transaction,
};

async fn count(executor: impl AnyExecutor<'_>) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT COUNT(*) FROM patient")
        .fetch_one(executor)
        .await
}

async fn insert(conn: &mut AnyConnection, id: i64, name: &str) -> sqlx::Result<u64> {
    // Placeholders differ between the backends; a quoted literal is the same in all of them.
    let sql = format!("INSERT INTO patient (id, name) VALUES ({id}, '{name}')");
    let done = sqlx::query(sqlx::AssertSqlSafe(sql)).execute(conn).await?;
    Ok(done.rows_affected())
}

async fn work(url: &str) -> sqlx::Result<String> {
    install_default_drivers();
    let pool: AnyPool = AnyPoolOptions::new()
        .max_connections(1)
        .after_connect(|conn: &mut AnyConnection, _| Box::pin(async move { conn.ping().await }))
        .connect(url)
        .await?;
    let name = pool.acquire().await?.backend_name().to_owned();
    pool.execute("CREATE TABLE patient (id BIGINT PRIMARY KEY, name VARCHAR(100) NOT NULL)")
        .await?;
    let mut conn = pool.acquire().await?;
    insert(&mut conn, 1, "Ada").await?;
    insert(&mut *conn, 2, "Grace").await?;
    drop(conn);

    let mut tx: Transaction<'_, Any> = pool.begin().await?;
    insert(&mut tx, 3, "Barbara").await?;
    {
        let mut inner = tx.begin().await?;
        insert(&mut inner, 4, "nobody").await?;
        inner.rollback().await?;
    }
    assert_eq!(count(&mut *tx).await?, 3);
    tx.commit().await?;
    assert_eq!(count(&pool).await?, 3);

    let mut tx = pool.begin().await?;
    tx.execute("DELETE FROM patient").await?;
    tx.rollback().await?;

    let names: Vec<String> = sqlx::query("SELECT name FROM patient ORDER BY id")
        .map(|row: AnyRow| row.get(0))
        .fetch(&pool)
        .try_collect()
        .await?;
    assert_eq!(names, ["Ada", "Grace", "Barbara"]);
    let error = insert(&mut *pool.acquire().await?, 1, "Ada")
        .await
        .unwrap_err();
    assert!(error.into_database_error().unwrap().is_unique_violation());
    pool.close().await;
    Ok(name)
}

#[tokio::test]
async fn sqlite() {
    assert_eq!(work("sqlite::memory:").await.unwrap(), "SQLite");
}

#[tokio::test]
async fn postgres() {
    let Some(db) = support::postgres().await else {
        return;
    };
    assert_eq!(work(db.url()).await.unwrap(), "PostgreSQL");
}

#[tokio::test]
async fn mysql() {
    let Some(db) = support::mysql().await else {
        return;
    };
    assert_eq!(work(db.url()).await.unwrap(), "MySQL");
}

#[tokio::test]
async fn connections_without_a_pool() -> sqlx::Result<()> {
    install_default_drivers();
    let mut conn = AnyConnection::connect("sqlite::memory:").await?;
    let mut tx = Connection::begin(&mut conn).await?;
    tx.execute("CREATE TABLE patient (id INTEGER)").await?;
    tx.commit().await?;
    assert_eq!(count(&mut conn).await?, 0);
    conn.close().await?;

    let options: AnyConnectOptions = "sqlite::memory:".parse()?;
    let pool = AnyPool::connect_lazy_with(options);
    assert_eq!(pool.size(), 0);
    let answer: i64 = sqlx::query_scalar("SELECT 42").fetch_one(&pool).await?;
    assert_eq!(answer, 42);
    Ok(())
}
