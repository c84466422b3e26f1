//! Where the program may have handled an error, or may have passed the transaction on, the finding is at most
//! likely.

use std::time::Duration;

use sqlx::leash::testing::findings;
use sqlx::leash::{self, Certainty, Finding, Lint, ScopeExt};
use sqlx::{Acquire, SqliteConnection, SqlitePool, track};
use tokio::time::timeout;

use crate::common::{Tx, assert_none, marked, only, pool, rendered};

use super::{INSERT, check_likely, fails, refuses};

#[track]
async fn begins_and_passes_on(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?; // @passed on
    sqlx::query(INSERT).execute(&mut *tx).await?; // @written before
    finishes(tx).await
}

#[track]
async fn finishes(_tx: Tx) -> sqlx::Result<()> {
    Ok(())
}

#[tokio::test]
async fn the_callee_that_got_it_is_judged() {
    let pool = pool().await;
    let (_, found) = findings(begins_and_passes_on(&pool)).await;
    assert_eq!(
        found[0].function.as_deref(),
        Some("findings::rollback::likely::finishes")
    );
    check_likely(found, &marked("passed on", "begin"), "it was passed on");
}

#[track]
async fn drops_two(pool: &SqlitePool) -> sqlx::Result<()> {
    for _ in 0..2 {
        let mut tx = pool.begin().await?; // @in a loop
        sqlx::query(INSERT).execute(&mut *tx).await?;
    }
    Ok(())
}

#[tokio::test]
async fn each_is_reported() {
    let pool = pool().await;
    let (_, found) = findings(drops_two(&pool)).await;
    assert_eq!(found.len(), 2, "{}", rendered(&found));
    for found in found {
        check_likely(vec![found], &marked("in a loop", "begin"), "in a loop");
    }
}

/// Its type leaves it to the caller whether the returned value is a failure.
async fn writes_and_returns<T>(pool: SqlitePool, value: T) -> T {
    let mut tx = pool.begin().await.unwrap();
    sqlx::query(INSERT).execute(&mut *tx).await.unwrap();
    value
}

async fn in_a_scope<T>(pool: &SqlitePool, value: T) -> Vec<Finding> {
    let work = writes_and_returns(pool.clone(), value);
    findings(leash::scope("import", work)).await.1
}

#[tokio::test]
async fn in_a_scope_by_name() {
    let pool = pool().await;
    for found in [
        in_a_scope(&pool, ()).await,
        in_a_scope(&pool, Ok::<_, sqlx::Error>(7)).await,
        in_a_scope(&pool, Some("done")).await,
        in_a_scope(&pool, [Err::<(), _>(1)]).await,
    ] {
        let found = only(found);
        assert_eq!(found.lint, Lint::ImplicitRollback);
        assert_eq!(found.function.as_deref(), Some("import"));
        assert_eq!(found.certainty, Certainty::Likely);
        assert!(found.notes[0].contains("in this scope"), "{found}");
    }
    assert_none(&in_a_scope(&pool, Err::<(), _>(sqlx::Error::RowNotFound)).await);
    assert_none(&in_a_scope(&pool, None::<Box<u8>>).await);
}

#[track]
async fn carries(pool: &SqlitePool, last: &'static str) -> bool {
    let pool = pool.clone();
    let task = async move {
        let mut tx = pool.begin().await?; // @carried
        sqlx::query(INSERT).execute(&mut *tx).await?;
        let found = sqlx::query(last).fetch_optional(&mut *tx).await?;
        found.ok_or(sqlx::Error::RowNotFound)
    };
    tokio::spawn(task.in_current_scope()).await.unwrap().is_ok()
}

#[tokio::test]
async fn of_a_carried_task_itself() {
    let pool = pool().await;
    let (went_well, found) = findings(carries(&pool, "SELECT 1")).await;
    assert!(went_well);
    check_likely(found, &marked("carried", "begin"), "in a block");

    let (went_well, found) = findings(carries(&pool, "SELECT 1 WHERE false")).await;
    assert!(!went_well);
    assert_none(&found);
}

#[track]
async fn in_a_block(pool: &SqlitePool) -> sqlx::Result<()> {
    let attempt: sqlx::Result<()> = async {
        let mut tx = pool.begin().await?; // @in a block
        sqlx::query(INSERT).execute(&mut *tx).await?;
        Err(sqlx::Error::RowNotFound)
    }
    .await;
    assert!(attempt.is_err());
    Ok(())
}

#[track]
async fn gives_away(pool: &SqlitePool) -> sqlx::Result<bool> {
    let tx = pool.begin().await?; // @given away
    Ok(refuses(tx).await.is_ok())
}

#[track]
async fn goes_on_after_a_failure(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?; // @mended
    sqlx::query(INSERT).execute(&mut *tx).await?;
    assert!(fails(&mut tx).await.is_err());
    sqlx::query(INSERT).execute(&mut *tx).await?;
    Ok(())
}

#[track]
async fn goes_on_after_a_failure_inside(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?; // @mended inside
    let mut inner = tx.begin().await?;
    sqlx::query(INSERT).execute(&mut *inner).await?;
    assert!(fails(&mut inner).await.is_err());
    inner.commit().await?;
    Ok(())
}

async fn lends(conn: &mut SqliteConnection) -> sqlx::Result<()> {
    sqlx::query("no SQL").execute(conn).await.map(drop)
}

#[track]
async fn lends_last(pool: &SqlitePool) -> sqlx::Result<bool> {
    let mut tx = pool.begin().await?; // @lent last
    sqlx::query(INSERT).execute(&mut *tx).await?;
    Ok(lends(&mut tx).await.is_ok())
}

#[track]
async fn begins_in_time(pool: &SqlitePool) -> sqlx::Result<()> {
    let begun = timeout(Duration::from_mins(1), pool.begin()).await; // @in time
    let mut tx = begun.unwrap()?;
    sqlx::query(INSERT).execute(&mut *tx).await?;
    Ok(())
}

#[tokio::test]
async fn where_an_error_may_have_been_dealt_with_it_is_likely_only() {
    let pool = pool().await;
    let (_, found) = findings(in_a_block(&pool)).await;
    check_likely(found, &marked("in a block", "begin"), "in a block");
    let (_, found) = findings(gives_away(&pool)).await;
    check_likely(found, &marked("given away", "begin"), "it was passed on");
    let (_, found) = findings(begins_in_time(&pool)).await;
    check_likely(found, &marked("in time", "begin"), "it was passed on");
    let (_, found) = findings(goes_on_after_a_failure(&pool)).await;
    check_likely(
        found,
        &marked("mended", "begin"),
        "a statement in it failed",
    );
    let (_, found) = findings(goes_on_after_a_failure_inside(&pool)).await;
    let begun = marked("mended inside", "begin");
    check_likely(found, &begun, "a statement in it failed");
    let (_, found) = findings(lends_last(&pool)).await;
    check_likely(found, &marked("lent last", "begin"), "ran unseen");
}
