//! A transaction that begins later than its connection is acquired, or by a text.

use sqlx::leash::Lint;
use sqlx::{Connection, SqlitePool, track};

use crate::common::{assert_helps, bare_pool_of, marked, none_of, only_of, related, said};

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

/// The first text begins a transaction, and the second, where there is one, ends it.
#[track]
async fn begins_by_text(pool: &SqlitePool, texts: [&'static str; 2]) -> Result {
    let mut conn = pool.acquire().await?;
    sqlx::raw_sql(texts[0]).execute(&mut *conn).await?; // @text begin
    sqlx::query("SELECT 3").execute(&mut *conn).await?;
    sqlx::raw_sql(texts[1]).execute(&mut *conn).await?;
    sqlx::query("SELECT 4").execute(pool).await?; // @beside text
    sqlx::raw_sql("SELECT 5; ROLLBACK")
        .execute(&mut *conn)
        .await
        .ok();
    Ok(())
}

#[track]
async fn ends_by_text(pool: &SqlitePool) -> Result {
    let mut tx = pool.begin().await?;
    sqlx::query("COMMIT").execute(&mut *tx).await?;
    sqlx::query("SELECT 4").execute(pool).await?;
    Ok(())
}

#[tokio::test]
async fn a_text_begins_and_ends_one() {
    let open = [
        ["BEGIN", "SELECT 1"],
        ["begin immediate transaction; SELECT 1", "SELECT 1"],
        ["SAVEPOINT a; SAVEPOINT b", "RELEASE b"],
        ["SAVEPOINT a", "ROLLBACK TO a"],
        ["BEGIN; COMMIT; BEGIN", "SELECT 1"],
    ];
    for texts in open {
        let pool = bare_pool_of(2).await;
        let found = found(begins_by_text(&pool, texts)).await;
        let finding = only_of(Lint::OutsideTransaction, &found);
        related(finding, &marked("text begin", "execute"));
        assert_eq!(said(finding, "after"), "2 statements", "{texts:?}");
        assert_helps(finding, "`&mut *conn`");
    }
    let over = [
        ["BEGIN", "COMMIT"],
        ["BEGIN", "SELECT 1; END TRANSACTION"],
        ["SAVEPOINT a; SAVEPOINT A", "RELEASE a; RELEASE a"],
        ["BEGIN; SAVEPOINT a", "ROLLBACK"],
        ["BEGIN; SELECT 1; COMMIT", "SELECT 1"],
    ];
    for texts in over {
        let pool = bare_pool_of(2).await;
        let found = found(begins_by_text(&pool, texts)).await;
        none_of(Lint::OutsideTransaction, &found);
    }
    let pool = bare_pool_of(2).await;
    none_of(Lint::OutsideTransaction, &found(ends_by_text(&pool)).await);
}
