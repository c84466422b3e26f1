//! `#[sqlx::test]` in its forms.

use sqlx::pool::{PoolConnection, PoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{ConnectOptions, Connection, Executor, Sqlite, SqliteConnection, SqlitePool};

static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("./corpus/migrations");

async fn patients(conn: &mut SqliteConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT COUNT(*) FROM patient")
        .fetch_one(conn)
        .await
}

#[sqlx::test]
async fn nothing() {
    let pool = SqlitePool::connect("sqlite::memory:").await.unwrap();
    pool.execute("SELECT 1").await.unwrap();
}

#[sqlx::test]
async fn a_result() -> sqlx::Result<()> {
    let mut conn = SqliteConnection::connect("sqlite::memory:").await?;
    conn.execute("SELECT 1").await?;
    Ok(())
}

#[sqlx::test]
async fn a_pool(pool: SqlitePool) {
    pool.execute("CREATE TABLE t (id INTEGER)").await.unwrap();
    let mut tx = pool.begin().await.unwrap();
    tx.execute("INSERT INTO t VALUES (1)").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(pool.fetch_all("SELECT * FROM t").await.unwrap().len(), 1);
}

#[sqlx::test(migrations = "./corpus/migrations")]
async fn a_pool_with_migrations(pool: sqlx::Pool<sqlx::Sqlite>) -> Result<(), sqlx::Error> {
    assert_eq!(patients(&mut *pool.acquire().await?).await?, 0);
    Ok(())
}

#[sqlx::test(migrations = "./corpus/migrations", fixtures("patients", "exams"))]
async fn a_pool_with_fixtures(pool: SqlitePool) -> sqlx::Result<()> {
    assert_eq!(patients(&mut *pool.acquire().await?).await?, 3);
    assert_eq!(pool.fetch_all("SELECT * FROM exam").await?.len(), 3);
    Ok(())
}

#[sqlx::test(
    migrator = "MIGRATOR",
    fixtures(path = "fixtures", scripts("patients"))
)]
async fn a_connection(mut conn: PoolConnection<Sqlite>) -> sqlx::Result<()> {
    assert_eq!(patients(&mut conn).await?, 3);
    let mut tx = conn.begin().await?;
    tx.execute("DELETE FROM patient").await?;
    tx.rollback().await?;
    assert_eq!(patients(&mut conn).await?, 3);
    Ok(())
}

#[sqlx::test(
    migrator = "crate::corpus::attribute::MIGRATOR",
    fixtures("./fixtures/patients.sql")
)]
async fn options(options: PoolOptions<Sqlite>, connect: SqliteConnectOptions) -> sqlx::Result<()> {
    let mut plain = connect.connect().await?;
    assert_eq!(patients(&mut plain).await?, 3);
    plain.close().await?;

    let pool = options
        .max_connections(2)
        .after_connect(|conn, _| {
            Box::pin(async move {
                conn.execute("PRAGMA foreign_keys = ON").await?;
                Ok(())
            })
        })
        .connect_with(connect)
        .await?;
    let error = pool
        .execute("INSERT INTO exam (patient_id, pressure) VALUES (99, 1.0)")
        .await
        .unwrap_err();
    assert!(
        error
            .into_database_error()
            .unwrap()
            .is_foreign_key_violation()
    );
    pool.close().await;
    Ok(())
}

#[sqlx::test(migrations = false)]
async fn other_names_for_the_options(
    options: SqlitePoolOptions,
    connect: <SqliteConnection as Connection>::Options,
) {
    let pool: SqlitePool = options.connect_lazy_with(connect);
    pool.execute("SELECT 1").await.unwrap();
}

#[sqlx::test]
#[should_panic(expected = "on purpose")]
async fn a_panic(pool: SqlitePool) {
    pool.execute("SELECT 1").await.unwrap();
    panic!("on purpose");
}
