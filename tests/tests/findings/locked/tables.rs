//! Tables of a shared cache, and a log that is not to be written back in a transaction.

use sqlx::leash::Certainty;
use sqlx::{SqlitePool, track};

use super::{COUNT, Wal, assert_finding, messages, refused};
use crate::common::{TestPool, assert_helps, marked};

type Result<T = ()> = sqlx::Result<T>;

#[track]
async fn checkpoints(pool: &SqlitePool) -> Result {
    let mut tx = pool.begin().await?;
    sqlx::query(COUNT).fetch_one(&mut *tx).await?;
    let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
    sqlx::query(checkpoint).execute(&mut *tx).await?; // @checkpoint
    tx.commit().await
}

#[tokio::test]
async fn a_checkpoint_in_a_transaction() {
    let pool = messages(Wal).await;
    let finding = refused(checkpoints(&pool)).await;
    let cause = "SQLite makes no checkpoint of its log inside a transaction";
    assert_finding(
        &finding,
        &marked("checkpoint", "execute"),
        Certainty::Certain,
        cause,
    );
    assert!(
        finding.title.contains("a table is locked"),
        "{}",
        finding.title
    );
    assert_helps(&finding, "before `begin` or after `commit`");
}

/// One transaction has read a table that the other wants to write, and the other way round.
#[track]
async fn writes_both(pool: &SqlitePool) -> Result {
    let mut one = pool.begin().await?;
    sqlx::query("SELECT * FROM debit")
        .fetch_all(&mut *one)
        .await?;
    let mut other = pool.begin().await?;
    sqlx::query("INSERT INTO credit VALUES (1)")
        .execute(&mut *other)
        .await?;
    let waits = async {
        sqlx::query("SELECT * FROM credit")
            .fetch_all(&mut *one)
            .await
    };
    let closes = async {
        sqlx::query("INSERT INTO debit VALUES (1)")
            .execute(&mut *other)
            .await
    };
    futures::try_join!(waits, closes)?;
    Ok(())
}

#[tokio::test]
async fn transactions_that_wait_for_each_others_tables() {
    let pool = TestPool::of(
        crate::common::options(2)
            .connect("sqlite::memory:")
            .await
            .unwrap(),
    );
    let tables = "CREATE TABLE debit (n INTEGER); CREATE TABLE credit (n INTEGER)";
    sqlx::raw_sql(tables).execute(&*pool).await.unwrap();
    let finding = refused(writes_both(&pool)).await;
    assert_eq!(
        finding.certainty,
        Certainty::Certain,
        "{}",
        finding.render()
    );
    assert!(
        finding.title.contains("the database is deadlocked"),
        "{}",
        finding.title
    );
    assert!(
        finding.cause.contains("wait for each other"),
        "{}",
        finding.cause
    );
}
