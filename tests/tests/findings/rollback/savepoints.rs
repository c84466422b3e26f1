//! A savepoint is treated like a transaction.

use sqlx::leash::testing::findings;
use sqlx::{Acquire, SqlitePool, track};

use crate::common::{Place, declared, marked, only, pool};

use super::{INSERT, check, fails};

#[track]
async fn drops_a_savepoint(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    {
        let mut inner = tx.begin().await?; // @savepoint
        sqlx::query(INSERT).execute(&mut *inner).await?; // @lost in a savepoint
    }
    tx.commit().await
}

#[tokio::test]
async fn a_savepoint_counts_like_a_transaction() {
    let pool = pool().await;
    let (_, found) = findings(drops_a_savepoint(&pool)).await;
    let found = only(found);
    assert_eq!(Place::from(&found.primary), marked("savepoint", "begin"));
    assert!(
        found.title.contains("a savepoint that had written"),
        "{}",
        found.title
    );
    assert_eq!(
        Place::from(&found.related[0].site),
        marked("lost in a savepoint", "execute")
    );
}

#[track]
async fn drops_around_a_savepoint(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?; // @around a savepoint
    let mut inner = tx.begin().await?;
    sqlx::query(INSERT).execute(&mut *inner).await?; // @released
    inner.commit().await?;
    Ok(())
}

#[tokio::test]
async fn writes_of_a_released_savepoint_are_lost_with_the_transaction() {
    let pool = pool().await;
    let (_, found) = findings(drops_around_a_savepoint(&pool)).await;
    check(
        found,
        &marked("around a savepoint", "begin"),
        &marked("released", "execute"),
        "drops_around_a_savepoint",
        &declared("drops_around_a_savepoint"),
    );
}

#[track]
async fn takes_a_failure_back(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?; // @around a failure
    sqlx::query(INSERT).execute(&mut *tx).await?; // @before a failure
    let mut inner = tx.begin().await?;
    assert!(fails(&mut inner).await.is_err());
    inner.rollback().await
}

#[tokio::test]
async fn a_failure_that_a_savepoint_took_back_is_no_reason() {
    let pool = pool().await;
    let (_, found) = findings(takes_a_failure_back(&pool)).await;
    check(
        found,
        &marked("around a failure", "begin"),
        &marked("before a failure", "execute"),
        "takes_a_failure_back",
        &declared("takes_a_failure_back"),
    );
}
