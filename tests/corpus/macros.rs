//! `query!` and the macros like it, with offline data; embedded migrations.

use futures::TryStreamExt;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{Executor, SqliteConnection, SqliteExecutor, SqlitePool};

use super::clinic::{self, Patient};

static MIGRATOR: Migrator = sqlx::migrate!("./corpus/migrations");

#[tokio::test]
async fn query_macros() -> sqlx::Result<()> {
    let pool = clinic::in_memory().await;
    let ada = sqlx::query!("SELECT id, name, age FROM patient WHERE id = ?", 1)
        .fetch_one(&pool)
        .await?;
    assert_eq!((ada.id, ada.name.as_str(), ada.age), (1, "Ada", Some(36)));

    let all = sqlx::query_as!(Patient, "SELECT id, name, age FROM patient ORDER BY id")
        .fetch_all(&pool)
        .await?;
    assert_eq!(all.len(), 3);
    let older = sqlx::query_file_as!(Patient, "corpus/sql/older_than.sql", 40)
        .fetch_optional(&pool)
        .await?;
    assert_eq!(older.unwrap().name, "Grace");
    let count = sqlx::query_scalar!("SELECT COUNT(*) FROM patient")
        .fetch_one(&pool)
        .await?;
    assert_eq!(count, 3);
    let unchecked = sqlx::query_unchecked!("SELECT id, name, age FROM patient WHERE id = ?", 2)
        .fetch_one(&pool)
        .await?;
    assert_eq!(unchecked.age, Some(85));
    let forced = sqlx::query_scalar!(r#"SELECT age AS "age!: i32" FROM patient WHERE id = 1"#)
        .fetch_one(&pool)
        .await?;
    assert_eq!(forced, 36_i32);
    Ok(())
}

async fn rename(executor: impl SqliteExecutor<'_>, id: i64, name: &str) -> sqlx::Result<u64> {
    let done = sqlx::query!("UPDATE patient SET name = ? WHERE id = ?", name, id)
        .execute(executor)
        .await?;
    Ok(done.rows_affected())
}

async fn ages(conn: &mut SqliteConnection) -> sqlx::Result<i64> {
    let mut rows = sqlx::query!("SELECT age FROM patient WHERE age IS NOT NULL").fetch(conn);
    let mut sum = 0;
    while let Some(row) = rows.try_next().await? {
        sum += row.age.unwrap_or_default();
    }
    Ok(sum)
}

#[tokio::test]
async fn query_macros_on_everything() -> sqlx::Result<()> {
    let pool = clinic::in_memory().await;
    assert_eq!(rename(&pool, 1, "Lovelace").await?, 1);
    let mut conn = pool.acquire().await?;
    assert_eq!(rename(&mut *conn, 9, "Nobody").await?, 0);
    assert_eq!(ages(&mut conn).await?, 121);
    drop(conn);
    let mut tx = pool.begin().await?;
    assert_eq!(rename(&mut *tx, 2, "Hopper").await?, 1);
    assert_eq!(ages(&mut tx).await?, 121);
    let name = sqlx::query_scalar!("SELECT name FROM patient WHERE id = 2")
        .fetch_one(&mut *tx)
        .await?;
    assert_eq!(name, "Hopper");
    let mapped = sqlx::query!("SELECT name FROM patient ORDER BY id")
        .map(|row| row.name.len())
        .fetch_all(&mut *tx)
        .await?;
    assert_eq!(mapped, [8, 6, 7]);
    tx.commit().await
}

async fn tables(executor: impl SqliteExecutor<'_>) -> i64 {
    sqlx::query_scalar(
        "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name IN ('patient', 'exam')",
    )
    .fetch_one(executor)
    .await
    .unwrap()
}

async fn empty() -> SqlitePool {
    sqlx::sqlite::SqlitePoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect("sqlite::memory:")
        .await
        .unwrap()
}

#[tokio::test]
async fn migrate_a_pool() -> Result<(), MigrateError> {
    let pool = empty().await;
    sqlx::migrate!("./corpus/migrations").run(&pool).await?;
    assert_eq!(tables(&pool).await, 2);
    // No migration is left to run.
    MIGRATOR.run(&pool).await?;
    MIGRATOR.undo(&pool, 20_240_101_000_000).await?;
    assert_eq!(tables(&pool).await, 1);
    MIGRATOR.run_to(20_240_102_000_000, &pool).await?;
    assert_eq!(tables(&pool).await, 2);
    Ok(())
}

#[tokio::test]
async fn migrate_connections() -> Result<(), Box<dyn std::error::Error>> {
    let pool = empty().await;
    let mut conn = pool.acquire().await?;
    MIGRATOR.run(&mut conn).await?;
    MIGRATOR.undo(&mut conn, 0).await?;
    assert_eq!(tables(&mut *conn).await, 0);
    MIGRATOR.run(&mut *conn).await?;
    MIGRATOR.undo(&mut *conn, 0).await?;
    MIGRATOR.run_direct(None, conn.as_mut(), false).await?;
    assert_eq!(tables(&mut *conn).await, 2);

    let mut plain = conn.detach();
    MIGRATOR.undo(&mut plain, 0).await?;
    MIGRATOR.run(&mut plain).await?;
    assert_eq!(tables(&mut plain).await, 2);
    Ok(())
}

#[tokio::test]
async fn migrate_a_transaction() -> Result<(), Box<dyn std::error::Error>> {
    let pool = empty().await;
    let mut tx = pool.begin().await?;
    MIGRATOR.run(&mut *tx).await?;
    assert_eq!(tables(&mut *tx).await, 2);
    tx.rollback().await?;
    assert_eq!(tables(&pool).await, 0);
    let mut tx = pool.begin().await?;
    MIGRATOR.run(&mut tx).await?;
    tx.commit().await?;
    assert_eq!(tables(&pool).await, 2);
    Ok(())
}

#[tokio::test]
async fn migrate_from_a_directory() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    std::fs::write(
        directory.path().join("1_one.sql"),
        "CREATE TABLE one (id INTEGER);",
    )?;
    std::fs::write(directory.path().join("2_two.sql"), "NONSENSE;")?;
    let pool = empty().await;
    let migrator = Migrator::new(directory.path()).await?;
    assert_eq!(migrator.iter().count(), 2);
    let error = migrator.run(&pool).await.unwrap_err();
    assert!(
        matches!(error, MigrateError::ExecuteMigration(_, 2)),
        "{error:?}"
    );
    pool.execute("SELECT * FROM one").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrate_in_a_task() {
    let pool = empty().await;
    let migrated = tokio::spawn({
        let pool = pool.clone();
        async move { MIGRATOR.run(&pool).await }
    });
    migrated.await.unwrap().unwrap();
    assert_eq!(tables(&pool).await, 2);
}
