//! A transaction that begins later than its connection is acquired.

use sqlx::leash::Lint;
use sqlx::{Connection, SqlitePool, track};

use crate::common::{bare_pool_of, marked, only_of, related, said};

use super::{Result, found};

#[track]
async fn begins_late(pool: &SqlitePool) -> Result {
    let mut conn = pool.acquire().await?;
    sqlx::query("SELECT 1").execute(&mut *conn).await?;
    sqlx::query("SELECT 2").execute(&mut *conn).await?;
    let mut tx = conn.begin().await?; // @late begin
    sqlx::query("SELECT 3").execute(&mut *tx).await?;
    sqlx::query("SELECT 4").execute(pool).await?;
    tx.commit().await
}

#[tokio::test]
async fn its_place_and_statements_count_from_the_begin() {
    let pool = bare_pool_of(2).await;
    let found = found(begins_late(&pool)).await;
    let finding = only_of(Lint::OutsideTransaction, &found);
    let begin = related(finding, &marked("late begin", "begin"));
    assert_eq!(begin.label, "the transaction begins here");
    assert_eq!(said(finding, "after"), "1 statement");
}
