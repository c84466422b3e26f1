//! What other findings and snapshots say of a transaction that has the lock for writing.

use std::time::Duration;

use sqlx::leash::testing::findings;
use sqlx::leash::{self, Finding, Lint, TransactionInfo};
use sqlx::{Connection, SqlitePool, track};
use tokio::sync::Notify;

use super::{COUNT, POST, Wal, messages};
use crate::common::{TestPool, connect, marked, only_of, options, related, reported, said};

type Result<T = ()> = sqlx::Result<T>;

#[track(held_idle = "50ms", held_too_long = "50ms")]
async fn idles(pool: &TestPool, text: &'static str) -> Result<TransactionInfo> {
    let mut tx = pool.begin().await?;
    sqlx::query(text).execute(&mut *tx).await?;
    reported(pool.name(), Lint::HeldIdle, 1).await;
    reported(pool.name(), Lint::HeldTooLong, 1).await;
    let handles = leash::snapshot().handles;
    let mut handles = handles.into_iter().filter(|it| it.pool == pool.name());
    let transaction = handles.next().expect("it is held").transaction;
    tx.rollback().await?;
    Ok(transaction.expect("it is open"))
}

#[tokio::test]
async fn of_what_is_held() {
    let pool = messages(Wal).await;
    let (transaction, found) = findings(idles(&pool, POST)).await;
    for lint in [Lint::HeldIdle, Lint::HeldTooLong] {
        let state = said(only_of(lint, &found), "has");
        let lock = "had SQLite's lock for writing for";
        assert!(state.starts_with(lock), "{state}");
    }
    let lock = transaction.unwrap().write_lock.expect("it has written");
    assert!(lock.certain);
}

#[track]
async fn makes_temporary(pool: &SqlitePool, name: &str) -> Result {
    let mut conn = pool.acquire().await?;
    let temporary = "CREATE TEMPORARY TABLE draft (text TEXT)";
    sqlx::query(temporary).execute(&mut *conn).await?;
    let mut tx = conn.begin().await?;
    sqlx::query("INSERT INTO draft VALUES ('a')")
        .execute(&mut *tx)
        .await?;
    let mut handles = leash::snapshot().handles;
    handles.retain(|it| it.pool == name);
    let open = handles.into_iter().find_map(|it| it.transaction);
    let lock = open.expect("it is open").write_lock;
    assert!(!lock.expect("it may be in the main database").certain);
    tx.rollback().await?;
    conn.close().await
}

/// Near misses: a transaction that has read, a statement with nothing to do, and a temporary table.
#[tokio::test]
async fn of_what_has_no_lock_for_sure() {
    let pool = messages(Wal).await;
    let (transaction, found) = findings(idles(&pool, COUNT)).await;
    let names_lock = |finding: &Finding| finding.render().contains("lock for writing");
    assert!(!found.iter().any(names_lock));
    assert_eq!(transaction.unwrap().write_lock, None);

    let pool = messages(Wal).await;
    let nothing = "CREATE TABLE IF NOT EXISTS message (id INTEGER)";
    let (transaction, found) = findings(idles(&pool, nothing)).await;
    let state = said(only_of(Lint::HeldIdle, &found), "may");
    assert!(state.starts_with("have had SQLite's lock"), "{state}");
    assert!(!transaction.unwrap().write_lock.unwrap().certain);

    let (done, _) = findings(makes_temporary(&pool, pool.name())).await;
    done.unwrap();
}

#[track]
async fn hoards(pool: &SqlitePool, locked: &Notify) -> Result {
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?; // @hoarded
    sqlx::query("CREATE TABLE draft (text TEXT)")
        .execute(&mut *tx)
        .await?;
    locked.notify_one();
    std::future::pending::<()>().await;
    tx.commit().await
}

#[track]
async fn waits(pool: &SqlitePool, locked: &Notify) -> Result {
    locked.notified().await;
    assert!(pool.acquire().await.is_err());
    Ok(())
}

#[tokio::test]
async fn of_the_holders_of_a_pool_that_ran_dry() {
    let impatient = options(1).acquire_timeout(Duration::from_millis(300));
    let (pool, locked) = (connect(impatient).await, Notify::new());
    let work = async {
        tokio::select! {
            _ = hoards(&pool, &locked) => {}
            waited = waits(&pool, &locked) => waited.unwrap(),
        }
    };
    let ((), found) = findings(Box::pin(work)).await;
    let finding = only_of(Lint::PoolTimeout, &found);
    let holder = related(finding, &marked("hoarded", "begin_with"));
    let lock = "has had SQLite's lock for writing for";
    assert!(holder.label.contains(lock), "{}", finding.render());
}
