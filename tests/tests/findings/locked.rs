//! `database_locked`: SQLite refuses a statement, a begin or a commit because the database is locked.

mod holders;
mod readers;
mod silent;
mod states;
mod tables;
mod upgrade;
mod ways;

use std::time::Duration;

use leash_tests::TestPool;
use plain_sqlx::Connection as _;
use sqlx::leash::testing::findings;
use sqlx::leash::{Certainty, Finding, Lint};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{SqlitePool, track};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::common::{Place, marked, only_of};

use SqliteJournalMode::{Delete, Wal};

const POST: &str = "INSERT INTO message (text) VALUES ('a')";
const COUNT: &str = "SELECT count(*) FROM message";

/// Long enough to tell a wait from none, on a busy machine as well.
const PATIENCE: Duration = Duration::from_millis(900);

/// A file with an empty table `message (id, text)`.
struct File {
    folder: tempfile::TempDir,
    journal: SqliteJournalMode,
}

impl File {
    async fn new(journal: SqliteJournalMode) -> Self {
        let file = Self {
            folder: tempfile::tempdir().unwrap(),
            journal,
        };
        let pool = file.pool().await;
        sqlx::raw_sql("CREATE TABLE message (id INTEGER PRIMARY KEY, text TEXT)")
            .execute(&pool)
            .await
            .unwrap();
        pool.close().await;
        file
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("messages.sqlite")
    }

    fn options(&self) -> SqliteConnectOptions {
        SqliteConnectOptions::new()
            .filename(self.path())
            .create_if_missing(true)
            .journal_mode(self.journal)
            .busy_timeout(PATIENCE)
    }

    async fn pool(&self) -> SqlitePool {
        let options = SqlitePoolOptions::new().max_connections(4);
        options.connect_with(self.options()).await.unwrap()
    }

    /// Stands for another process: a connection that nothing tracks.
    async fn stranger(&self) -> plain_sqlx::SqliteConnection {
        let url = format!("sqlite://{}", self.path().display());
        plain_sqlx::SqliteConnection::connect(&url).await.unwrap()
    }
}

/// A pool on a file of its own.
async fn messages(journal: SqliteJournalMode) -> TestPool {
    let file = File::new(journal).await;
    TestPool::new(file.pool().await, file)
}

/// A transaction of another task, open until a test ends it.
struct Open {
    end: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Open {
    /// One that has the lock for writing.
    async fn writer(pool: &SqlitePool) -> Self {
        let (begun, is_begun) = oneshot::channel();
        let (end, ends) = oneshot::channel();
        let task = tokio::spawn(writes(pool.clone(), begun, ends));
        is_begun.await.unwrap();
        Self { end, task }
    }

    /// One that has read.
    async fn reader(pool: &SqlitePool) -> Self {
        let (begun, is_begun) = oneshot::channel();
        let (end, ends) = oneshot::channel();
        let task = tokio::spawn(reads(pool.clone(), begun, ends));
        is_begun.await.unwrap();
        Self { end, task }
    }

    async fn ends(self) {
        self.end.send(()).unwrap();
        self.task.await.unwrap();
    }
}

#[track]
async fn writes(pool: SqlitePool, begun: oneshot::Sender<()>, ends: oneshot::Receiver<()>) {
    let mut tx = pool.begin().await.unwrap(); // @writer begin
    sqlx::query(POST).execute(&mut *tx).await.unwrap(); // @writer write
    begun.send(()).unwrap();
    ends.await.unwrap();
    tx.rollback().await.unwrap();
}

#[track]
async fn reads(pool: SqlitePool, begun: oneshot::Sender<()>, ends: oneshot::Receiver<()>) {
    let mut tx = pool.begin().await.unwrap(); // @reader begin
    sqlx::query(COUNT).fetch_one(&mut *tx).await.unwrap(); // @reader read
    begun.send(()).unwrap();
    ends.await.unwrap();
    tx.rollback().await.unwrap();
}

/// The place that has this mark in this file.
fn here(mark: &str, word: &str) -> Place {
    marked(mark, word)
}

/// The finding about what `work` does, which SQLite must refuse.
async fn refused<T: std::fmt::Debug>(work: impl Future<Output = sqlx::Result<T>>) -> Finding {
    let (done, found) = findings(Box::pin(work)).await;
    let error = done.expect_err("SQLite refuses it");
    let code = error.as_database_error().unwrap().code().unwrap();
    let finding = only_of(Lint::DatabaseLocked, &found).clone();
    let said = finding.facts.iter().find(|fact| fact.name == "code");
    let said = &said.unwrap().value;
    assert!(said.starts_with(&*code), "{code}: {}", finding.render());
    finding
}

#[track_caller]
fn assert_finding(finding: &Finding, primary: &Place, certainty: Certainty, cause: &str) {
    let all = finding.render();
    assert_eq!(Place::from(&finding.primary), *primary, "{all}");
    assert_eq!(finding.certainty, certainty, "{all}");
    assert!(finding.cause.contains(cause), "no `{cause}` in\n{all}");
}
