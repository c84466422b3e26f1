//! The database that most of the programs use.

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{FromRow, SqlitePool};
use tempfile::TempDir;

pub const SCHEMA: &str = "
    CREATE TABLE patient (id INTEGER PRIMARY KEY, name TEXT NOT NULL, age INTEGER);
    CREATE TABLE exam (
        id INTEGER PRIMARY KEY,
        patient_id INTEGER NOT NULL REFERENCES patient (id),
        pressure REAL NOT NULL,
        note TEXT
    );
    INSERT INTO patient (id, name, age) VALUES (1, 'Ada', 36), (2, 'Grace', 85), (3, 'Barbara', NULL);
    INSERT INTO exam (id, patient_id, pressure, note) VALUES (10, 1, 14.5, 'left'), (11, 1, 15.0, NULL), (12, 2, 21.5, 'again');
";

#[derive(Clone, Debug, FromRow, PartialEq)]
pub struct Patient {
    pub id: i64,
    pub name: String,
    pub age: Option<i64>,
}

pub fn file_options(directory: &TempDir) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(directory.path().join("clinic.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .foreign_keys(true)
}

/// A database in a file, for as many connections as one likes.
pub async fn open(max_connections: u32) -> SqlitePool {
    let directory = tempfile::tempdir().unwrap();
    let options = file_options(&directory);
    let pool = SqlitePoolOptions::new()
        .max_connections(max_connections)
        .after_connect(move |_, _| {
            // The file lives as long as the options of the pool.
            let _ = &directory;
            Box::pin(async { Ok(()) })
        })
        .connect_with(options)
        .await
        .unwrap();
    sqlx::raw_sql(SCHEMA).execute(&pool).await.unwrap();
    pool
}

/// A database in memory: one connection, which is the database, and which stays.
pub async fn in_memory() -> SqlitePool {
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect("sqlite::memory:")
        .await
        .unwrap();
    sqlx::raw_sql(SCHEMA).execute(&pool).await.unwrap();
    pool
}

pub async fn patients(pool: &SqlitePool) -> i64 {
    sqlx::query_scalar("SELECT COUNT(*) FROM patient")
        .fetch_one(pool)
        .await
        .unwrap()
}
