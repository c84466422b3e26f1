//! MySQL and MariaDB.

use futures::TryStreamExt;
use leash_test_support as support;
use sqlx::mysql::{MySqlConnectOptions, MySqlPool, MySqlPoolOptions, MySqlRow};
use sqlx::{
    Acquire, ConnectOptions, Connection, Executor, MySql, MySqlConnection, MySqlExecutor,
    MySqlTransaction, QueryBuilder, Row,
};

const SCHEMA: &str = "CREATE TABLE patient (id BIGINT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(100) NOT NULL, age INT)";

async fn pool(url: &str) -> MySqlPool {
    let pool = MySqlPoolOptions::new()
        .max_connections(3)
        .before_acquire(|conn: &mut MySqlConnection, _| {
            Box::pin(async move { conn.ping().await.map(|()| true) })
        })
        .connect(url)
        .await
        .unwrap();
    pool.execute(SCHEMA).await.unwrap();
    pool
}

async fn count(executor: impl MySqlExecutor<'_>) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT COUNT(*) FROM patient")
        .fetch_one(executor)
        .await
}

async fn insert(conn: &mut MySqlConnection, name: &str) -> sqlx::Result<u64> {
    let done = sqlx::query("INSERT INTO patient (name) VALUES (?)")
        .bind(name)
        .execute(conn)
        .await?;
    Ok(done.last_insert_id())
}

async fn insert_in(tx: &mut MySqlTransaction<'_>) -> sqlx::Result<u64> {
    insert(tx, "in a transaction").await
}

#[tokio::test]
async fn queries_and_transactions() -> sqlx::Result<()> {
    let Some(db) = support::mysql().await else {
        return Ok(());
    };
    let pool = pool(db.url()).await;
    let mut conn = pool.acquire().await?;
    assert_eq!(insert(&mut conn, "Ada").await?, 1);
    let mut tx = conn.begin().await?;
    insert_in(&mut tx).await?;
    {
        let mut inner = tx.begin().await?;
        insert(&mut *inner, "lost").await?;
        inner.rollback().await?;
    }
    let mut inner = (&mut tx).begin().await?;
    insert(inner.as_mut(), "kept").await?;
    inner.commit().await?;
    tx.commit().await?;
    drop(conn);
    assert_eq!(count(&pool).await?, 3);

    let mut tx = pool.begin_with("START TRANSACTION READ ONLY").await?;
    assert_eq!(count(&mut *tx).await?, 3);
    assert!(insert(&mut tx, "refused").await.is_err());
    tx.rollback().await?;
    {
        let mut tx = pool.begin().await?;
        insert(&mut tx, "dropped").await?;
    }
    assert_eq!(count(&pool).await?, 3);
    let error = pool
        .execute("INSERT INTO patient (id, name) VALUES (1, 'x')")
        .await
        .unwrap_err();
    assert!(error.into_database_error().unwrap().is_unique_violation());
    pool.close().await;
    Ok(())
}

#[tokio::test]
async fn streams() -> sqlx::Result<()> {
    let Some(db) = support::mysql().await else {
        return Ok(());
    };
    let pool = pool(db.url()).await;
    let mut builder = QueryBuilder::<MySql>::new("INSERT INTO patient (name, age) ");
    builder.push_values(
        (1..=20).map(|n| (format!("patient {n}"), n)),
        |mut row, (name, age)| {
            row.push_bind(name).push_bind(age);
        },
    );
    assert_eq!(builder.build().execute(&pool).await?.rows_affected(), 20);
    {
        let mut rows = sqlx::query("SELECT age FROM patient ORDER BY id").fetch(&pool);
        let first = rows.try_next().await?.unwrap();
        assert_eq!(first.get::<i32, _>("age"), 1);
    }
    let mut tx = pool.begin().await?;
    let ages: Vec<i32> = sqlx::query("SELECT age FROM patient WHERE age <= ? ORDER BY age")
        .bind(3)
        .map(|row: MySqlRow| row.get::<i32, _>(0))
        .fetch(&mut *tx)
        .try_collect()
        .await?;
    assert_eq!(ages, [1, 2, 3]);
    let rows = sqlx::raw_sql("SELECT 1; SELECT 2; SELECT 3")
        .fetch_all(&mut *tx)
        .await?;
    assert_eq!(rows.len(), 3);
    tx.commit().await
}

#[tokio::test]
async fn offline_macros() -> sqlx::Result<()> {
    let Some(db) = support::mysql().await else {
        return Ok(());
    };
    let pool = pool(db.url()).await;
    let done = sqlx::query!("INSERT INTO patient (name, age) VALUES (?, ?)", "Ada", 36)
        .execute(&pool)
        .await?;
    let mut tx = pool.begin().await?;
    let found = sqlx::query!(
        "SELECT name, age FROM patient WHERE id = ? FOR UPDATE",
        done.last_insert_id()
    )
    .fetch_one(&mut *tx)
    .await?;
    assert_eq!((found.name.as_str(), found.age), ("Ada", Some(36)));
    tx.rollback().await
}

#[tokio::test]
async fn without_a_pool() -> sqlx::Result<()> {
    let Some(db) = support::mysql().await else {
        return Ok(());
    };
    let options: MySqlConnectOptions = db.url().parse()?;
    let mut conn = options.disable_statement_logging().connect().await?;
    conn.execute(SCHEMA).await?;
    let mut tx = Connection::begin(&mut conn).await?;
    insert_in(&mut tx).await?;
    tx.commit().await?;
    assert_eq!(count(&mut conn).await?, 1);
    conn.close().await
}

mod attribute {
    //! Run by `test_attribute`, which sets the server's address.

    use sqlx::mysql::MySqlPool;
    use sqlx::pool::PoolConnection;
    use sqlx::{Executor, MySql};

    #[sqlx::test(migrations = false)]
    #[ignore = "needs DATABASE_URL"]
    async fn a_pool(pool: MySqlPool) {
        pool.execute(super::SCHEMA).await.unwrap();
        assert_eq!(super::count(&pool).await.unwrap(), 0);
    }

    #[sqlx::test(migrations = false)]
    #[ignore = "needs DATABASE_URL"]
    async fn a_connection(mut conn: PoolConnection<MySql>) -> sqlx::Result<()> {
        conn.execute(super::SCHEMA).await?;
        assert_eq!(super::insert(&mut conn, "Ada").await?, 1);
        Ok(())
    }
}

#[tokio::test]
async fn test_attribute() {
    let Some(db) = support::mysql().await else {
        return;
    };
    super::run_ignored("mysql::attribute", db.url(), 2);
}
