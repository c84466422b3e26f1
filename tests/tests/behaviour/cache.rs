//! `leash::cache` on a database: nothing that is served is stale, and what it has saved stands in the row of the statement.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::SeqCst};
use std::time::Duration;

use leash_tests::path_of;
use sqlx::leash::cache::Cached;
use sqlx::leash::testing::assert_queries;
use sqlx::leash::{self, Snapshot};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{SqlitePool, track};

use crate::common::{self, poll_at_most, rows_of};

const LONG: Duration = Duration::from_hours(1);

/// The exam that is read.
const ID: i64 = 7;

struct Exams {
    pool: SqlitePool,
    names: Cached<i64, String>,
}

impl Exams {
    async fn new(pool: &SqlitePool) -> Self {
        sqlx::query("INSERT INTO exam VALUES (?, 'retina')")
            .bind(ID)
            .execute(pool)
            .await
            .unwrap();
        Self {
            pool: pool.clone(),
            names: Cached::new(10, LONG),
        }
    }
}

/// Asserts the calls and the saved calls of a function's places, in the order of their lines.
#[track_caller]
fn check(function: &str, expected: &[(u64, u64)]) {
    let rows = rows_of(&path_of(function));
    let counted: Vec<_> = rows.iter().map(|row| (row.calls, row.saved)).collect();
    assert_eq!(counted, expected, "(calls, saved) of {function}");
}

#[track]
impl Exams {
    async fn name_of_contact(&self) -> sqlx::Result<String> {
        let load = async || {
            sqlx::query_scalar("SELECT name FROM exam WHERE id = ?")
                .bind(ID)
                .fetch_one(&self.pool)
                .await
        };
        self.names.get(&ID, load).await
    }
}

#[tokio::test]
async fn fifty_reads_are_one_call_and_the_rest_saved() {
    let pool = common::pool().await;
    let exams = Exams::new(&pool).await;
    let contact = async {
        for _ in 0..50 {
            assert_eq!(exams.name_of_contact().await.unwrap(), "retina");
        }
    };
    assert_queries!(1, contact);
    check("Exams::name_of_contact", &[(1, 49)]);
    exams.names.forget(&ID);
    exams.name_of_contact().await.unwrap();
    check("Exams::name_of_contact", &[(2, 49)]);
}

/// The lines of a table about a function, and its heading.
fn table(snapshot: &Snapshot, function: &str) -> Vec<String> {
    let table = snapshot.to_string();
    let lines = table.lines().enumerate();
    let of_function = lines.filter(|(number, line)| *number == 0 || line.contains(function));
    of_function.map(|(_, line)| words(line, 3)).collect()
}

/// The first words of a line.
fn words(line: &str, count: usize) -> String {
    line.split_whitespace()
        .take(count)
        .collect::<Vec<_>>()
        .join(" ")
}

#[track]
impl Exams {
    async fn name_in_table(&self) -> sqlx::Result<String> {
        let load = || {
            sqlx::query_scalar("SELECT name FROM exam WHERE id = ?")
                .bind(ID)
                .fetch_one(&self.pool)
        };
        self.names.get(&ID, load).await
    }
}

#[tokio::test]
async fn the_table_has_a_column_for_what_was_saved() {
    let pool = common::pool().await;
    let exams = Exams::new(&pool).await;
    exams.name_in_table().await.unwrap();
    let earlier = leash::snapshot();
    for _ in 0..3 {
        exams.name_in_table().await.unwrap();
    }
    let now = leash::snapshot();
    let expected = ["calls saved errors", "1 3 0"];
    assert_eq!(table(&now, "Exams::name_in_table"), expected);
    let expected = ["calls saved errors", "0 3 0"];
    assert_eq!(
        table(&now.since(&earlier), "Exams::name_in_table"),
        expected
    );
}

#[track]
impl Exams {
    async fn two_statements(&self) -> sqlx::Result<String> {
        let load = async || {
            let id: i64 = sqlx::query_scalar("SELECT max(id) FROM exam")
                .fetch_one(&self.pool)
                .await?;
            sqlx::query_scalar("SELECT name FROM exam WHERE id = ?")
                .bind(id)
                .fetch_one(&self.pool)
                .await
        };
        self.names.get(&ID, load).await
    }

    async fn none(&self) -> sqlx::Result<String> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        let name = self.names.get(&8, async || Ok("cornea".to_owned())).await;
        sqlx::query("SELECT 2").execute(&self.pool).await?;
        name
    }

    async fn outer(&self) -> sqlx::Result<String> {
        self.names.get(&9, || self.inner()).await
    }

    async fn inner(&self) -> sqlx::Result<String> {
        let load = || {
            sqlx::query_scalar("SELECT name FROM exam WHERE id = ?")
                .bind(ID)
                .fetch_one(&self.pool)
        };
        self.names.get(&ID, load).await
    }
}

#[tokio::test]
async fn what_is_saved_counts_at_the_statement_that_the_loader_sent_last() {
    let pool = common::pool().await;
    for _ in 0..2 {
        let exams = Exams::new(&pool).await;
        for _ in 0..3 {
            exams.two_statements().await.unwrap();
            exams.none().await.unwrap();
        }
        sqlx::query("DELETE FROM exam")
            .execute(&*pool)
            .await
            .unwrap();
    }
    check("Exams::two_statements", &[(2, 0), (2, 4)]);
    check("Exams::none", &[(6, 0), (6, 0)]);
    let exams = Exams::new(&pool).await;
    for _ in 0..3 {
        exams.outer().await.unwrap();
    }
    check("Exams::inner", &[(1, 2)]);
}

#[track]
impl Exams {
    async fn at_once(&self) -> sqlx::Result<String> {
        let load = || {
            sqlx::query_scalar("SELECT name FROM exam WHERE id = ?")
                .bind(ID)
                .fetch_one(&self.pool)
        };
        self.names.get(&ID, load).await
    }
}

#[tokio::test]
async fn those_who_wait_for_a_load_are_saved_too() {
    let pool = common::pool().await;
    let exams = Exams::new(&pool).await;
    let names = futures::future::join_all((0..20).map(|_| exams.at_once())).await;
    assert!(
        names
            .iter()
            .all(|name| matches!(name.as_deref(), Ok("retina")))
    );
    check("Exams::at_once", &[(1, 19)]);
    assert_eq!(exams.names.stats().hits, 19);
}

/// How a writer ends.
#[derive(Clone, Copy)]
enum End {
    Commits,
    Rolls,
    Returns,
    /// It is cancelled on its way, or commits.
    AfterPolls,
}

/// An exam whose number only grows.
struct Counter {
    pool: SqlitePool,
    numbers: Cached<i64, i64>,
    /// The number after the last commit that a writer knows of.
    committed: AtomicI64,
}

#[track]
impl Counter {
    async fn read(&self) {
        let committed = self.committed.load(SeqCst);
        let load = || {
            sqlx::query_scalar("SELECT name + 0 FROM exam WHERE id = ?")
                .bind(ID)
                .fetch_one(&self.pool)
        };
        let number = self.numbers.get(&ID, load).await.unwrap();
        assert!(number >= committed, "stale: {number} after {committed}");
    }

    async fn write(&self, end: End) -> sqlx::Result<()> {
        let _writing = self.numbers.writing(&ID);
        let mut tx = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let number: i64 =
            sqlx::query_scalar("UPDATE exam SET name = name + 1 WHERE id = ? RETURNING name + 0")
                .bind(ID)
                .fetch_one(&mut *tx)
                .await?;
        match end {
            End::Rolls => return tx.rollback().await,
            End::Returns => return Err(sqlx::Error::RowNotFound),
            End::Commits | End::AfterPolls => tx.commit().await?,
        }
        self.committed.fetch_max(number, SeqCst);
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_that_is_served_is_stale() {
    let directory = tempfile::tempdir().unwrap();
    let database = SqliteConnectOptions::new()
        .filename(directory.path().join("exams.sqlite"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(Duration::from_mins(2));
    let options = SqlitePoolOptions::new().max_connections(6);
    let pool = common::connect_with(options, database).await;
    sqlx::query("INSERT INTO exam VALUES (?, '0')")
        .bind(ID)
        .execute(&*pool)
        .await
        .unwrap();
    let counter = Arc::new(Counter {
        pool: SqlitePool::clone(&pool),
        numbers: Cached::new(10, LONG),
        committed: AtomicI64::new(0),
    });
    let mut readers = tokio::task::JoinSet::new();
    let has_written = Arc::new(AtomicBool::new(false));
    for _ in 0..3 {
        let (counter, has_written) = (Arc::clone(&counter), Arc::clone(&has_written));
        readers.spawn(async move {
            while !has_written.load(SeqCst) {
                counter.read().await;
                tokio::task::yield_now().await;
            }
        });
    }
    for polls in 1..40 {
        for end in [End::Commits, End::Rolls, End::Returns] {
            let _ = counter.write(end).await;
            counter.read().await;
            counter.read().await;
        }
        let _ = poll_at_most(polls, counter.write(End::AfterPolls)).await;
    }
    has_written.store(true, SeqCst);
    readers.join_all().await;
    let stats = counter.numbers.stats();
    assert!(stats.hits > 0 && stats.refusals > 0, "{stats:?}");
}
