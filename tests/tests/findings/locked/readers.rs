//! With a rollback journal, SQLite commits only when nobody reads.

use sqlx::leash::Certainty;
use sqlx::{SqlitePool, track};

use super::{COUNT, Delete, Open, POST, Wal, assert_finding, here, messages, refused};
use crate::common::{assert_helps, marked, related};

type Result<T = ()> = sqlx::Result<T>;

#[track]
async fn commits(pool: &SqlitePool) -> Result {
    let mut tx = pool.begin().await?;
    sqlx::query(POST).execute(&mut *tx).await?;
    tx.commit().await // @commit
}

#[track]
async fn commits_by_a_text(pool: &SqlitePool) -> Result {
    let mut tx = pool.begin().await?;
    sqlx::query(POST).execute(&mut *tx).await?;
    sqlx::query("COMMIT").execute(&mut *tx).await?; // @commit text
    Ok(())
}

#[track]
async fn posts(pool: &SqlitePool) -> Result {
    sqlx::query(POST).execute(pool).await?; // @reader posts
    Ok(())
}

const READS: &str =
    "the transaction of findings::locked::reads has read, and has not been used for";

#[tokio::test]
async fn a_commit_waits_for_readers() {
    let pool = messages(Delete).await;
    let open = Open::reader(&pool).await;
    let finding = refused(commits(&pool)).await;
    assert_finding(
        &finding,
        &marked("commit", "commit"),
        Certainty::Certain,
        READS,
    );
    assert!(
        finding.title.contains("commits a transaction of pool"),
        "{}",
        finding.title
    );
    related(&finding, &here("reader begin", "begin"));
    related(&finding, &here("reader read", "fetch_one"));
    assert_helps(
        &finding,
        "`SqliteConnectOptions::journal_mode(SqliteJournalMode::Wal)`",
    );
    assert!(
        finding.notes[0].contains("sqlx rolls it back"),
        "{}",
        finding.render()
    );

    let finding = refused(commits_by_a_text(&pool)).await;
    assert_finding(
        &finding,
        &marked("commit text", "execute"),
        Certainty::Certain,
        READS,
    );
    assert!(
        finding.notes[0].contains("COMMIT can be sent again"),
        "{}",
        finding.render()
    );

    // A statement on its own is committed as well. Whether it came so far is not seen.
    let finding = refused(posts(&pool)).await;
    assert_finding(
        &finding,
        &marked("reader posts", "execute"),
        Certainty::Likely,
        READS,
    );
    open.ends().await;
}

#[track]
async fn commits_beside_its_own(pool: &SqlitePool) -> Result {
    let mut reads = pool.begin().await?;
    sqlx::query(COUNT).fetch_one(&mut *reads).await?;
    let mut tx = pool.begin().await?;
    sqlx::query(POST).execute(&mut *tx).await?;
    tx.commit().await?; // @own commit
    reads.commit().await
}

#[tokio::test]
async fn a_commit_waits_for_its_own_task() {
    let pool = messages(Delete).await;
    let finding = refused(commits_beside_its_own(&pool)).await;
    assert_finding(
        &finding,
        &marked("own commit", "commit"),
        Certainty::Certain,
        "has read",
    );
    assert_helps(&finding, "the same task has both");
}

#[tokio::test]
async fn with_a_log_nobody_waits_for_readers() {
    let pool = messages(Wal).await;
    let open = Open::reader(&pool).await;
    commits(&pool).await.unwrap();
    posts(&pool).await.unwrap();
    open.ends().await;
}
