//! SQLite: the journal, the lock timeout, databases in memory, and files that several connections share.

use std::time::{Duration, Instant};

use sqlx::any::AnyPoolOptions;
use sqlx::leash;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteLockingMode, SqlitePoolOptions};

use super::{compares, helps, ok, unknown, warns};

fn options() -> SqlitePoolOptions {
    SqlitePoolOptions::new().max_connections(4)
}

fn file(folder: &tempfile::TempDir) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(folder.path().join("exams"))
        .create_if_missing(true)
}

#[tokio::test]
async fn a_file() {
    let folder = tempfile::tempdir().unwrap();
    let wal = file(&folder).journal_mode(SqliteJournalMode::Wal);
    let pool = options().connect_with(wal).await.unwrap();
    let diagnosis = leash::doctor(&pool).await;
    assert!(diagnosis.server.as_deref().unwrap().starts_with("SQLite 3"));
    let names: Vec<_> = diagnosis.checks.iter().map(|check| check.name).collect();
    assert_eq!(
        names,
        [
            "connect",
            "in_memory",
            "journal_mode",
            "busy_timeout",
            "shared_file",
            "acquire_timeout"
        ]
    );
    for name in names {
        ok(&diagnosis, name);
    }
    compares(ok(&diagnosis, "journal_mode"), 4, "wal");
    compares(
        ok(&diagnosis, "busy_timeout"),
        Duration::from_secs(30),
        Duration::from_secs(5),
    );
    let second = options().connect_lazy_with(file(&folder));
    compares(ok(&leash::doctor(&second).await, "shared_file"), 8, 1);
}

#[tokio::test]
async fn a_journal_that_keeps_readers_out() {
    let folder = tempfile::tempdir().unwrap();
    let pool = options().connect_with(file(&folder)).await.unwrap();
    let diagnosis = leash::doctor(&pool).await;
    let journal = warns(&diagnosis, "journal_mode");
    compares(journal, 4, "delete");
    helps(
        journal,
        "`SqliteConnectOptions::journal_mode(SqliteJournalMode::Wal)`",
    );
    drop(pool);
    let pool = options()
        .max_connections(1)
        .connect_with(file(&folder))
        .await
        .unwrap();
    compares(ok(&leash::doctor(&pool).await, "journal_mode"), 1, "delete");
}

#[tokio::test]
async fn no_wait_for_a_lock() {
    let folder = tempfile::tempdir().unwrap();
    let at = file(&folder)
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(Duration::ZERO);
    let pool = options().connect_with(at).await.unwrap();
    let diagnosis = leash::doctor(&pool).await;
    let busy = warns(&diagnosis, "busy_timeout");
    compares(busy, Duration::from_secs(30), Duration::ZERO);
    helps(busy, "busy_timeout(Duration::from_secs(5))");
}

#[tokio::test]
async fn a_file_for_one_connection() {
    let folder = tempfile::tempdir().unwrap();
    let at = file(&folder).locking_mode(SqliteLockingMode::Exclusive);
    let pool = options().connect_lazy_with(at.clone());
    // The doctor does not create it.
    let diagnosis = leash::doctor(&pool).await;
    unknown(&diagnosis, "connect");
    unknown(&diagnosis, "shared_file");
    assert!(!folder.path().join("exams").exists());
    std::fs::write(folder.path().join("exams"), "").unwrap();
    let diagnosis = leash::doctor(&pool).await;
    helps(
        warns(&diagnosis, "shared_file"),
        "SqliteLockingMode::Normal",
    );
    drop(pool);
    let pool = options().max_connections(1).connect_lazy_with(at);
    ok(&leash::doctor(&pool).await, "shared_file");
}

#[tokio::test]
async fn a_locked_file() {
    let folder = tempfile::tempdir().unwrap();
    let impatient = options().acquire_timeout(Duration::from_secs(1));
    let pool = impatient.connect_with(file(&folder)).await.unwrap();
    let tx = pool.begin_with("BEGIN EXCLUSIVE").await.unwrap();
    let began = Instant::now();
    let diagnosis = leash::doctor(&pool).await;
    assert!(began.elapsed() < Duration::from_secs(4), "{diagnosis}");
    ok(&diagnosis, "connect");
    for name in ["journal_mode", "busy_timeout", "shared_file"] {
        assert_eq!(unknown(&diagnosis, name).text, "no answer within 1.00 s");
    }
    tx.rollback().await.unwrap();
    warns(&leash::doctor(&pool).await, "journal_mode");
}

#[tokio::test]
async fn in_memory() {
    let pool = options().connect("sqlite::memory:").await.unwrap();
    let diagnosis = leash::doctor(&pool).await;
    let memory = warns(&diagnosis, "in_memory");
    helps(
        memory,
        "`SqlitePoolOptions::idle_timeout(None).max_lifetime(None)`",
    );
    for name in ["journal_mode", "busy_timeout", "shared_file"] {
        ok(&diagnosis, name);
    }
    let lasting = options().idle_timeout(None).max_lifetime(None);
    let pool = lasting.clone().connect("sqlite::memory:").await.unwrap();
    ok(&leash::doctor(&pool).await, "in_memory");
    let of_connection = SqliteConnectOptions::new().filename(":memory:");
    let pool = lasting
        .clone()
        .connect_with(of_connection.clone())
        .await
        .unwrap();
    let diagnosis = leash::doctor(&pool).await;
    compares(warns(&diagnosis, "in_memory"), 4, 4);
    let pool = lasting
        .max_connections(1)
        .connect_with(of_connection)
        .await
        .unwrap();
    ok(&leash::doctor(&pool).await, "in_memory");
}

#[tokio::test]
async fn behind_any() {
    sqlx::any::install_default_drivers();
    let folder = tempfile::tempdir().unwrap();
    let url = format!(
        "sqlite://{}?mode=rwc",
        folder.path().join("exams").display()
    );
    let pool = AnyPoolOptions::new().connect_lazy(&url).unwrap();
    unknown(&leash::doctor(&pool).await, "connect");
    assert!(!folder.path().join("exams").exists());
    sqlx::query("CREATE TABLE exam (id INTEGER)")
        .execute(&pool)
        .await
        .unwrap();
    let diagnosis = leash::doctor(&pool).await;
    helps(
        warns(&diagnosis, "journal_mode"),
        "`PRAGMA journal_mode = WAL`",
    );
    ok(&diagnosis, "busy_timeout");
}
