//! One place sends more texts than it keeps apart: what they do to the connection is known all the same.

use sqlx::leash::Lint;
use sqlx::leash::testing::findings;
use sqlx::{AssertSqlSafe, SqlitePool, track};

use crate::common::{assert_none, only, pool};

use super::check;

#[track]
async fn runs(pool: &SqlitePool, script: &str) -> sqlx::Result<()> {
    let mut conn = pool.acquire().await?;
    for statement in script.split_terminator(';') {
        let statement = AssertSqlSafe(statement.to_owned());
        sqlx::query(statement).execute(&mut *conn).await?;
    }
    sqlx::query("SELECT 1").execute(pool).await?;
    sqlx::raw_sql("ROLLBACK").execute(&mut *conn).await.ok();
    Ok(())
}

/// Whether the statement behind the script is outside of a transaction that the script has left open.
async fn is_outside(pool: &SqlitePool, script: &str) -> bool {
    let (ran, found) = findings(runs(pool, script)).await;
    ran.unwrap();
    let mut found = found.iter();
    found.any(|found| found.lint == Lint::OutsideTransaction)
}

#[track(allow(n_plus_one, reason = "a script"))]
async fn sends(pool: &SqlitePool, texts: &[String]) -> sqlx::Result<()> {
    let mut conn = pool.acquire().await?;
    for text in texts {
        let text = AssertSqlSafe(text.clone());
        sqlx::query(text).execute(&mut *conn).await?;
    }
    Ok(())
}

fn inserts(table: &str) -> String {
    let insert = |id| format!("INSERT INTO {table} VALUES ({id});");
    (0..40).map(insert).collect()
}

#[tokio::test]
async fn a_script_in_a_transaction() {
    let pool = pool().await;
    let inserts = inserts("scripted");
    let script = format!("CREATE TABLE scripted (id INT);{inserts}BEGIN;{inserts}COMMIT;");
    assert!(!is_outside(&pool, &script).await);
    assert!(is_outside(&pool, &format!("BEGIN;{inserts}")).await);
    let undone = format!("BEGIN;{inserts}DELETE FROM scripted WHERE id = 10;ROLLBACK;");
    assert!(!is_outside(&pool, &undone).await);
}

#[tokio::test]
async fn a_script_without_its_end() {
    let pool = pool().await;
    let mut script = vec!["CREATE TABLE unfinished (id INT)".to_owned()];
    script.extend((0..40).map(|id| format!("INSERT INTO unfinished VALUES ({id})")));
    script.push("BEGIN".to_owned());
    script.push("INSERT INTO unfinished VALUES (41)".to_owned());
    let mut finished = script.clone();
    finished.push("COMMIT".to_owned());
    let (sent, found) = findings(sends(&pool, &finished)).await;
    sent.unwrap();
    assert_none(&found);
    let (sent, found) = findings(sends(&pool, &script[41..])).await;
    sent.unwrap();
    assert_eq!(only(found).lint, Lint::SessionState);
}

#[tokio::test]
async fn settings_of_many_values() {
    let pool = pool().await;
    let text = |n: usize| format!("PRAGMA cache_size = {n}");
    for n in 100..140 {
        let put_back = [text(n), "PRAGMA cache_size = -2000".to_owned()];
        let (sent, found) = findings(sends(&pool, &put_back)).await;
        sent.unwrap();
        assert_none(&found);
    }
    let left = ["SELECT 1".to_owned(), text(140)];
    let (sent, found) = findings(sends(&pool, &left)).await;
    sent.unwrap();
    check(
        found,
        "leaves the setting of `PRAGMA cache_size`",
        "old value",
    );
    // The second value may be the old one.
    let (sent, found) = findings(sends(&pool, &[text(141), text(142)])).await;
    sent.unwrap();
    assert_none(&found);
}
