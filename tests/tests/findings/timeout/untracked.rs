//! Permits in use by untracked code, and connections that are lent to it.

use std::time::Duration;

use futures::future::join_all;
use sqlx::leash::testing::findings;
use sqlx::leash::{Certainty, PoolExt, Verdict};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{ConnectOptions, Connection, SqliteConnection, SqlitePool, track};
use tokio::sync::Notify;

use crate::common::{TestPool, assert_helps, marked, related, said};

use super::{Result, SOON, assert_verdict, pool_of, times_out, waits, while_hoarded};

#[track]
async fn sleeps_after_lending(pool: &SqlitePool, taken: &Notify) -> Result {
    let mut tx = pool.begin().await?; // @lends
    reads_unseen(&mut tx).await?;
    taken.notify_one();
    std::future::pending::<()>().await;
    tx.commit().await
}

/// Code without the attribute: what it does with the connection is not seen.
async fn reads_unseen(conn: &mut SqliteConnection) -> Result {
    sqlx::query("SELECT 1").execute(conn).await.map(drop)
}

#[tokio::test]
async fn the_use_of_a_lent_connection_is_unknown() {
    let (pool, taken) = (pool_of(1).await, Notify::new());
    let finding = while_hoarded(&pool, &taken, sleeps_after_lending(&pool, &taken)).await;
    assert_verdict(&finding, Verdict::Unknown, Certainty::Unknown);
    assert!(
        finding
            .cause
            .contains("1 of 1 permit has been lent to plain sqlx")
            && finding.cause.contains("sleeps_after_lending"),
        "{}",
        finding.cause
    );
    related(&finding, &marked("lends", "begin"));
}

/// A waiter may be connecting: its open connection is not in use by other code.
#[tokio::test]
async fn connections_that_waiters_open_are_no_untracked_use() {
    let directory = tempfile::tempdir().unwrap();
    let file = SqliteConnectOptions::new().filename(directory.path().join("exam.db"));
    let mut locks = file
        .clone()
        .create_if_missing(true)
        .connect()
        .await
        .unwrap();
    sqlx::raw_sql("CREATE TABLE exam (id INTEGER); BEGIN EXCLUSIVE")
        .execute(&mut locks)
        .await
        .unwrap();
    let waits_for_the_lock = file
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(Duration::from_secs(10));
    let pool = SqlitePoolOptions::new()
        .max_connections(5)
        .acquire_timeout(SOON)
        .connect_lazy_with(waits_for_the_lock);
    let pool = TestPool::of(pool);
    let (ended, found) = findings(join_all((0..3).map(|_| waits(&pool)))).await;
    locks.close().await.unwrap();
    for ended in ended {
        assert!(matches!(ended, Err(sqlx::Error::PoolTimedOut)), "{ended:?}");
    }
    for finding in &found {
        assert_eq!(finding.verdict, Some(Verdict::Unknown), "{finding}");
    }
    assert!(!found.is_empty());
}

#[tokio::test]
async fn the_plain_pool_is_used_untracked() {
    let plain = plain_sqlx::sqlite::SqlitePoolOptions::new()
        .max_connections(2)
        .acquire_timeout(SOON)
        .connect("sqlite::memory:")
        .await
        .unwrap();
    let pool = TestPool::of(SqlitePool::from(plain.clone()));
    let (one, other) = (
        plain.acquire().await.unwrap(),
        plain.acquire().await.unwrap(),
    );
    let finding = times_out(&pool, async {}).await;
    assert_verdict(&finding, Verdict::Unaccounted, Certainty::Likely);
    assert!(
        finding
            .cause
            .starts_with("2 permits are in use, and no known handle holds them"),
        "{}",
        finding.cause
    );
    assert_helps(&finding, "pool.as_sqlx()");
    drop((one, other));
}

#[tokio::test]
async fn a_lent_connection_is_a_fact_and_no_verdict() {
    let pool = pool_of(1).await;
    let lent = pool.as_sqlx().acquire().await.unwrap(); // @lent
    let finding = times_out(&pool, async {}).await;
    assert_verdict(&finding, Verdict::Unknown, Certainty::Unknown);
    let place = marked("lent", "as_sqlx");
    assert_eq!(
        said(&finding, "lent to plain sqlx at"),
        format!("{}:{}", place.file, place.line)
    );
    assert!(
        finding.cause.contains("plain sqlx has this pool"),
        "{}",
        finding.cause
    );
    drop(lent);
}
