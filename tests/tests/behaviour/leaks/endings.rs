//! A leak is found whichever way the function ends, and whatever it returns.

use sqlx::leash::{self};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqlitePool, track};
use std::sync::Mutex;

use crate::common::{HUNDRED, Tx, leaks, of_leaks, poll_until, pool};

#[tokio::test]
async fn on_an_early_return_and_on_an_error() {
    #[track]
    async fn early(pool: &SqlitePool, kept: &mut Vec<Tx>) -> sqlx::Result<()> {
        kept.push(pool.begin().await?); // @early
        if kept.len() == 1 {
            return Ok(());
        }
        Err(sqlx::Error::WorkerCrashed)
    }
    #[track]
    async fn failing(pool: &SqlitePool, kept: &mut Vec<Tx>) -> sqlx::Result<i64> {
        let tx = pool.begin().await?; // @error
        kept.push(tx);
        let answer = sqlx::query_scalar("SELECT no_such_column")
            .fetch_one(pool)
            .await?;
        Ok(answer)
    }
    let pool = pool().await;
    let mut kept = Vec::new();
    let module = "leaks::endings::on_an_early_return_and_on_an_error";
    leaks(
        "early",
        "begin",
        &format!("{module}::early"),
        early(&pool, &mut kept),
    )
    .await
    .0
    .unwrap();
    kept.clear();
    leaks(
        "error",
        "begin",
        &format!("{module}::failing"),
        failing(&pool, &mut kept),
    )
    .await
    .0
    .unwrap_err();
}

#[tokio::test]
async fn a_returned_error_cannot_hold_the_handle_of_a_success() {
    #[track]
    async fn fails_after_keeping(pool: &SqlitePool, kept: &mut Vec<Tx>) -> sqlx::Result<Tx> {
        kept.push(pool.begin().await?); // @err side
        Err(sqlx::Error::RowNotFound)
    }
    let mut kept = Vec::new();
    let name =
        "leaks::endings::a_returned_error_cannot_hold_the_handle_of_a_success::fails_after_keeping";
    leaks(
        "err side",
        "begin",
        name,
        fails_after_keeping(&*pool().await, &mut kept),
    )
    .await
    .0
    .unwrap_err();
}

#[tokio::test]
async fn rows_that_are_returned_hold_no_handle() {
    #[track]
    async fn rows_and_leak(pool: &SqlitePool, kept: &mut Vec<Tx>) -> sqlx::Result<Vec<SqliteRow>> {
        let mut tx = pool.begin().await?; // @rows
        let rows = sqlx::query(HUNDRED).fetch_all(&mut *tx).await?;
        kept.push(tx);
        Ok(rows)
    }
    #[track]
    async fn row_and_leak(pool: &SqlitePool, kept: &mut Vec<Tx>) -> sqlx::Result<(i64, SqliteRow)> {
        let mut tx = pool.begin().await?; // @row
        let row = sqlx::query(HUNDRED).fetch_one(&mut *tx).await?;
        kept.push(tx);
        Ok((row.try_get(0)?, row))
    }
    let pool = pool().await;
    let mut kept = Vec::new();
    let module = "leaks::endings::rows_that_are_returned_hold_no_handle";
    let (rows, _) = leaks(
        "rows",
        "begin",
        &format!("{module}::rows_and_leak"),
        rows_and_leak(&pool, &mut kept),
    )
    .await;
    assert_eq!(rows.unwrap().len(), 100);
    kept.clear();
    leaks(
        "row",
        "begin",
        &format!("{module}::row_and_leak"),
        row_and_leak(&pool, &mut kept),
    )
    .await
    .0
    .unwrap();
}

/// A cancelled scope returns nothing: a handle that was put away before has outlived it.
#[tokio::test]
async fn given_up_after_it_was_put_away() {
    #[track]
    async fn never_ends(pool: &SqlitePool, kept: &Mutex<Vec<Tx>>) {
        let tx = pool.begin().await.unwrap(); // @given up
        kept.lock().unwrap().push(tx);
        std::future::pending::<()>().await;
    }
    let pool = pool().await;
    let kept = Mutex::default();
    let work = poll_until(never_ends(&pool, &kept), || {
        !kept.lock().unwrap().is_empty()
    });
    let ((), finding) = leaks(
        "given up",
        "begin",
        "leaks::endings::given_up_after_it_was_put_away::never_ends",
        work,
    )
    .await;
    assert!(finding.title.contains("cancelled"), "{finding}");
}

#[tokio::test]
async fn in_a_scope_by_hand_that_is_given_up() {
    let pool = pool().await;
    let kept = Mutex::new(Vec::<Tx>::new());
    let by_hand = leash::scope("by hand", async {
        let tx = pool.begin().await.unwrap();
        kept.lock().unwrap().push(tx);
        std::future::pending::<()>().await;
    });
    let work = poll_until(by_hand, || !kept.lock().unwrap().is_empty());
    let ((), findings) = leash::testing::findings(Box::pin(work)).await;
    let findings = of_leaks(findings);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!(findings[0].function.as_deref(), Some("by hand"));
}
