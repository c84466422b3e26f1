//! A transaction on a connection that belongs to no pool.

use sqlx::leash::testing::findings;
use sqlx::leash::{self, Certainty, Finding, Lint};
use sqlx::{Connection, SqliteConnection, track};

use crate::common::{Place, assert_certainty, assert_none, marked, only};

use super::INSERT;

async fn connection() -> SqliteConnection {
    let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    sqlx::raw_sql("CREATE TABLE exam (id INTEGER PRIMARY KEY, name TEXT)")
        .execute(&mut connection)
        .await
        .unwrap();
    connection
}

#[track]
async fn forgets(connection: &mut SqliteConnection) -> sqlx::Result<()> {
    let mut tx = connection.begin().await?; // @bare
    sqlx::query(INSERT).execute(&mut *tx).await?;
    Ok(())
}

#[track]
async fn forgets_its_own(url: &str) -> sqlx::Result<()> {
    let mut connection = SqliteConnection::connect(url).await?;
    let mut tx = sqlx::Acquire::begin(&mut connection).await?; // @own bare
    sqlx::raw_sql("CREATE TABLE exam (id INTEGER PRIMARY KEY, name TEXT)")
        .execute(&mut *tx)
        .await?;
    Ok(())
}

#[track]
async fn forgets_a_savepoint(connection: &mut SqliteConnection) -> sqlx::Result<()> {
    let mut tx = connection.begin().await?;
    let mut savepoint = tx.begin().await?; // @bare savepoint
    sqlx::query(INSERT).execute(&mut *savepoint).await?;
    drop(savepoint);
    tx.commit().await
}

#[track_caller]
fn check(found: Vec<Finding>, marker: &str) {
    let found = only(found);
    assert_eq!(found.lint, Lint::ImplicitRollback);
    assert_eq!(Place::from(&found.primary), marked(marker, "begin"));
    assert_certainty(&found, Certainty::Certain);
    assert_eq!(found.pool, None);
}

#[tokio::test]
async fn is_judged_in_a_tracked_function() {
    let mut connection = connection().await;
    check(findings(forgets(&mut connection)).await.1, "bare");
    let (_, found) = findings(forgets_its_own("sqlite::memory:")).await;
    check(found, "own bare");
    let (_, found) = findings(forgets_a_savepoint(&mut connection)).await;
    check(found, "bare savepoint");
}

#[track]
async fn ends_each(connection: &mut SqliteConnection) -> sqlx::Result<()> {
    let mut tx = connection.begin().await?;
    sqlx::query(INSERT).execute(&mut *tx).await?;
    tx.commit().await?;
    let mut tx = connection.begin().await?;
    sqlx::query(INSERT).execute(&mut *tx).await?;
    tx.rollback().await?;
    let mut tx = connection.begin().await?;
    sqlx::query("SELECT 1").execute(&mut *tx).await?;
    drop(tx);
    let tx = connection.begin().await?;
    let handles = leash::snapshot().handles;
    assert!(handles.iter().all(|handle| !handle.pool.is_empty()));
    tx.commit().await
}

#[tokio::test]
async fn is_no_handle_and_loses_nothing_when_it_is_ended() {
    let mut connection = connection().await;
    let (ended, found) = findings(ends_each(&mut connection)).await;
    ended.unwrap();
    assert_none(&found);
}
