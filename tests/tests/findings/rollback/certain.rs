//! A transaction that has written is dropped, and the function returns without an error.

use sqlx::leash::testing::findings;
use sqlx::leash::{Certainty, ScopeExt};
use sqlx::{SqlitePool, track};

use crate::common::{Place, Tx, assert_none, declared, marked, only, pool};

use super::{INSERT, check, check_likely};

#[track]
pub(super) async fn forgets_commit(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?; // @forgotten
    sqlx::query(INSERT).execute(&mut *tx).await?; // @lost
    Ok(())
}

#[tokio::test]
async fn a_forgotten_commit() {
    let pool = pool().await;
    let (result, found) = findings(forgets_commit(&pool)).await;
    result.unwrap();
    check(
        found,
        &marked("forgotten", "begin"),
        &marked("lost", "execute"),
        "forgets_commit",
        &declared("forgets_commit"),
    );
}

#[track]
async fn returns_no_result(pool: &SqlitePool) -> u32 {
    let mut tx = pool.begin().await.unwrap(); // @no result
    sqlx::query(INSERT).execute(&mut *tx).await.unwrap(); // @lost without result
    7
}

#[tokio::test]
async fn a_function_that_returns_no_result() {
    let pool = pool().await;
    let (_, found) = findings(returns_no_result(&pool)).await;
    check(
        found,
        &marked("no result", "begin"),
        &marked("lost without result", "execute"),
        "returns_no_result",
        &declared("returns_no_result"),
    );
}

#[track]
async fn says_drop(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?; // @says drop
    sqlx::query(INSERT).execute(&mut *tx).await?; // @lost by drop
    drop(tx);
    Ok(())
}

#[tokio::test]
async fn drop_is_no_rollback() {
    let pool = pool().await;
    let (_, found) = findings(says_drop(&pool)).await;
    check(
        found,
        &marked("says drop", "begin"),
        &marked("lost by drop", "execute"),
        "says_drop",
        &declared("says_drop"),
    );
}

#[track]
async fn makes_a_table(pool: &SqlitePool) {
    let mut tx = pool.begin().await.unwrap(); // @table
    sqlx::query("CREATE TABLE more (id INTEGER)") // @made
        .execute(&mut *tx)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_changed_schema_is_lost_too() {
    let pool = pool().await;
    let ((), found) = findings(makes_a_table(&pool)).await;
    let found = only(found);
    assert_eq!(Place::from(&found.primary), marked("table", "begin"));
    assert_eq!(found.facts[0].to_string(), "last write CREATE TABLE more");
}

#[track]
async fn returning_one(pool: &SqlitePool) {
    let mut tx = pool.begin().await.unwrap(); // @returning
    let _: (i64,) = sqlx::query_as("INSERT INTO exam (name) VALUES ('a') RETURNING id")
        .fetch_one(&mut *tx) // @returned
        .await
        .unwrap();
}

#[track]
async fn returning_scalar(pool: &SqlitePool) {
    let mut tx = pool.begin().await.unwrap(); // @returning scalar
    let _: i64 = sqlx::query_scalar("INSERT INTO exam (name) VALUES ('a') RETURNING id")
        .fetch_one(&mut *tx) // @returned scalar
        .await
        .unwrap();
}

#[track]
async fn returning_all(pool: &SqlitePool) {
    let mut tx = pool.begin().await.unwrap(); // @returning all
    sqlx::query("INSERT INTO exam (name) VALUES ('a') RETURNING id")
        .fetch_all(&mut *tx) // @returned all
        .await
        .unwrap();
}

#[track]
async fn returning_first(pool: &SqlitePool) {
    use futures::TryStreamExt;
    let mut tx = pool.begin().await.unwrap(); // @returning first
    let mut rows =
        sqlx::query("INSERT INTO exam (name) VALUES ('a'), ('b') RETURNING id").fetch(&mut *tx); // @returned first
    rows.try_next().await.unwrap().unwrap();
}

#[tokio::test]
async fn rows_that_a_write_returned() {
    let pool = pool().await;
    let ((), found) = findings(returning_one(&pool)).await;
    check(
        found,
        &marked("returning", "begin"),
        &marked("returned", "fetch_one"),
        "returning_one",
        &declared("returning_one"),
    );
    let ((), found) = findings(returning_scalar(&pool)).await;
    check(
        found,
        &marked("returning scalar", "begin"),
        &marked("returned scalar", "fetch_one"),
        "returning_scalar",
        &declared("returning_scalar"),
    );
    let ((), found) = findings(returning_all(&pool)).await;
    check(
        found,
        &marked("returning all", "begin"),
        &marked("returned all", "fetch_all"),
        "returning_all",
        &declared("returning_all"),
    );
    let ((), found) = findings(returning_first(&pool)).await;
    check(
        found,
        &marked("returning first", "begin"),
        &marked("returned first", "fetch"),
        "returning_first",
        &declared("returning_first"),
    );
}

#[track]
pub(super) async fn begins(pool: &SqlitePool) -> sqlx::Result<Tx> {
    let mut tx = pool.begin().await?; // @begun for the caller
    sqlx::query(INSERT).execute(&mut *tx).await?; // @written for the caller
    Ok(tx)
}

#[track]
async fn drops_what_it_was_given(pool: &SqlitePool) -> sqlx::Result<()> {
    begins(pool).await?;
    Ok(())
}

#[track]
async fn keeps_what_it_was_given(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut tx = begins(pool).await?;
    sqlx::query("SELECT 1").execute(&mut *tx).await?;
    Ok(())
}

#[track]
async fn is_given_one_after_the_other(pool: &SqlitePool) -> sqlx::Result<()> {
    for is_wanted in [false, true] {
        let tx = begins(pool).await?;
        if is_wanted {
            tx.commit().await?;
        }
    }
    Ok(())
}

#[track]
async fn writes_in(tx: &mut Tx) -> sqlx::Result<()> {
    sqlx::query(INSERT).execute(&mut **tx).await?; // @written by a callee
    Ok(())
}

#[track]
async fn has_a_callee_write(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?; // @begun outside
    writes_in(&mut tx).await
}

#[tokio::test]
async fn across_functions() {
    let pool = pool().await;
    let (_, found) = findings(drops_what_it_was_given(&pool)).await;
    let begun = marked("begun for the caller", "begin");
    check_likely(found, &begun, "it was passed on");
    let (_, found) = findings(is_given_one_after_the_other(&pool)).await;
    check_likely(found, &begun, "in a loop");
    let (_, found) = findings(keeps_what_it_was_given(&pool)).await;
    check(
        found,
        &begun,
        &marked("written for the caller", "execute"),
        "keeps_what_it_was_given",
        &declared("keeps_what_it_was_given"),
    );
    let (_, found) = findings(has_a_callee_write(&pool)).await;
    check(
        found,
        &marked("begun outside", "begin"),
        &marked("written by a callee", "execute"),
        "has_a_callee_write",
        &declared("has_a_callee_write"),
    );
}

#[tokio::test]
async fn in_a_task_that_was_carried() {
    let pool = pool().await;
    let (_, found) = findings(async {
        let pool = pool.clone();
        tokio::spawn(async move { forgets_commit(&pool).await }.in_current_scope())
            .await
            .unwrap()
    })
    .await;
    check(
        found,
        &marked("forgotten", "begin"),
        &marked("lost", "execute"),
        "forgets_commit",
        &declared("forgets_commit"),
    );
}

#[track]
pub(super) async fn returns_the_given_value<T>(pool: &SqlitePool, value: T) -> T {
    let mut tx = pool.begin().await.unwrap();
    sqlx::query(INSERT).execute(&mut *tx).await.unwrap();
    value
}

#[tokio::test]
async fn the_variant_of_a_generic_value_is_checked() {
    let pool = pool().await;
    let (_, found) = findings(returns_the_given_value(&pool, Err::<(), _>(1))).await;
    assert_none(&found);
    let (_, found) = findings(returns_the_given_value(&pool, Ok::<_, ()>(1))).await;
    assert_eq!(only(found).certainty, Certainty::Certain);
}
