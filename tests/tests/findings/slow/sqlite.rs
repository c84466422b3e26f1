//! Slow statements that wait for SQLite's lock for writing, which a transaction of another task has.

use sqlx::leash::{Certainty, Finding};
use sqlx::{Sqlite, SqlitePool, track};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::locks::{explains, file_of_exams, slow};
use crate::common::{TestPool, assert_certainty, marked, pool, related};

type Result = sqlx::Result<()>;

#[track]
async fn grades(pool: SqlitePool, locked: oneshot::Sender<()>) {
    let mut tx = pool.begin().await.unwrap(); // @grades begin
    let grade = "UPDATE exam SET id = id + 1";
    sqlx::query(grade).execute(&mut *tx).await.unwrap(); // @grades write
    locked.send(()).unwrap();
    std::future::pending::<()>().await;
}

/// A transaction of a task of its own, which has the lock until the task is aborted.
async fn locked_by_a_task(pool: &SqlitePool) -> JoinHandle<()> {
    let (locked, is_locked) = oneshot::channel();
    let task = tokio::spawn(grades(pool.clone(), locked));
    is_locked.await.unwrap();
    task
}

#[track(slow_query = "200ms")]
async fn writes(pool: &SqlitePool) -> Result {
    sqlx::query("DELETE FROM exam").execute(pool).await?;
    Ok(())
}

#[track(slow_query = "200ms")]
async fn begins(pool: &SqlitePool) -> Result {
    let mut conn = pool.acquire().await?;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *conn).await?;
    Ok(())
}

#[track(slow_query = "200ms")]
async fn reads(pool: &SqlitePool) -> Result {
    sqlx::query("SELECT * FROM exam").fetch_all(pool).await?;
    Ok(())
}

/// Takes long by itself.
#[track(slow_query = "200ms")]
async fn computes(pool: &SqlitePool) -> Result {
    let forever =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    sqlx::query(forever).fetch_all(pool).await?;
    Ok(())
}

#[track_caller]
fn waits_for_grades(finding: &Finding) {
    let cause = "it may wait for a lock: the transaction of findings::slow::sqlite::grades has had the lock";
    assert!(finding.cause.starts_with(cause), "{}", finding.render());
    assert_certainty(finding, Certainty::Likely);
    related(finding, &marked("grades begin", "begin"));
    related(finding, &marked("grades write", "execute"));
    assert!(!explains(finding), "{}", finding.render());
}

#[tokio::test]
async fn a_writer_of_another_task() {
    let pool: TestPool<Sqlite> = file_of_exams().await;
    let task = locked_by_a_task(&pool).await;
    waits_for_grades(&slow(pool.name(), writes(&pool)).await);
    waits_for_grades(&slow(pool.name(), begins(&pool)).await);
    task.abort();
}

/// In memory, the connections of a pool share a cache, and a reader waits for the writer of its table.
#[tokio::test]
async fn a_reader_in_memory() {
    let pool = pool().await;
    let task = locked_by_a_task(&pool).await;
    waits_for_grades(&slow(pool.name(), reads(&pool)).await);
    task.abort();
}

/// Near miss: what reads another table, or none, does not wait.
#[tokio::test]
async fn a_reader_that_does_not_wait() {
    let pool = pool().await;
    let task = locked_by_a_task(&pool).await;
    let finding = slow(pool.name(), computes(&pool)).await;
    assert_certainty(&finding, Certainty::Certain);
    assert!(explains(&finding), "{}", finding.render());
    task.abort();
}
