//! SQLite rolls a transaction back by itself at a few errors. Each statement after that is committed at once.

use sqlx::leash::testing::findings;
use sqlx::leash::{Certainty, Finding};
use sqlx::{Acquire, SqlitePool, track};

use super::{check, none, only_failed};
use crate::common::{TestPool, marked, pool_of, related};

type Result = sqlx::Result<()>;

const FIRST: &str = "INSERT INTO exam VALUES (1, 'a')";
const SECOND: &str = "INSERT INTO exam VALUES (2, 'b')";
const CONFLICTS: &str = "INSERT OR ROLLBACK INTO exam VALUES (1, 'c')";
/// The trigger rolls back.
const REFUSED: &str = "INSERT INTO exam VALUES (13, 'm')";

async fn exams() -> TestPool {
    let pool = pool_of(1).await;
    let trigger = "CREATE TRIGGER refuse BEFORE INSERT ON exam WHEN new.id = 13 \
                   BEGIN SELECT RAISE(ROLLBACK, 'refused'); END";
    sqlx::raw_sql(trigger).execute(&*pool).await.unwrap();
    pool
}

async fn saved(pool: &SqlitePool) -> i64 {
    let count = "SELECT count(*) FROM exam";
    sqlx::query_scalar(count).fetch_one(pool).await.unwrap()
}

#[track]
async fn goes_on(pool: &SqlitePool) -> Result {
    let mut tx = pool.begin().await?;
    sqlx::query(FIRST).execute(&mut *tx).await?; // @lite lost
    let _ = sqlx::query(CONFLICTS).execute(&mut *tx).await; // @lite fails
    sqlx::query(SECOND).execute(&mut *tx).await?; // @lite next
    tx.commit().await
}

#[track]
async fn commits(pool: &SqlitePool) -> Result {
    let mut tx = pool.begin().await?;
    sqlx::query(FIRST).execute(&mut *tx).await?;
    let _ = sqlx::query(CONFLICTS).execute(&mut *tx).await;
    tx.commit().await // @lite commit
}

#[track]
async fn goes_on_in_a_text(pool: &SqlitePool) -> Result {
    let mut conn = pool.acquire().await?;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *conn).await?;
    sqlx::query(FIRST).execute(&mut *conn).await?;
    let _ = sqlx::query(CONFLICTS).execute(&mut *conn).await;
    sqlx::query(SECOND).execute(&mut *conn).await?; // @lite next of text
    Ok(())
}

#[tokio::test]
async fn a_conflict_that_rolls_back() {
    let pool = exams().await;
    let (committed, found) = findings(goes_on(&pool)).await;
    committed.unwrap_err();
    assert_eq!(saved(&pool).await, 1, "half of it is saved");
    let finding = only_failed(found.clone());
    let lost = related(&finding, &marked("lite lost", "execute"));
    assert!(lost.label.contains("are not saved"), "{}", lost.label);
    related(&finding, &marked("lite fails", "execute"));
    let title = "in a transaction of pool";
    check(found, &marked("lite next", "execute"), title);

    let pool = exams().await;
    let (committed, found) = findings(commits(&pool)).await;
    committed.unwrap_err();
    check(
        found,
        &marked("lite commit", "commit"),
        "SQLite has rolled back",
    );

    let pool = exams().await;
    let (gone_on, found) = findings(goes_on_in_a_text(&pool)).await;
    gone_on.unwrap();
    assert_eq!(saved(&pool).await, 1);
    check(
        found,
        &marked("lite next of text", "execute"),
        "sends `INSERT",
    );
}

#[track]
async fn goes_on_after_a_trigger(pool: &SqlitePool) -> Result {
    let mut tx = pool.begin().await?;
    sqlx::query(FIRST).execute(&mut *tx).await?;
    let _ = sqlx::query(REFUSED).execute(&mut *tx).await; // @trigger
    sqlx::query(SECOND).execute(&mut *tx).await?; // @after trigger
    tx.commit().await // @trigger commit
}

#[track]
async fn rolls_back_too_late(pool: &SqlitePool) -> Result {
    let mut tx = pool.begin().await?;
    let _ = sqlx::query(REFUSED).execute(&mut *tx).await;
    sqlx::query(SECOND).execute(&mut *tx).await?;
    tx.rollback().await // @trigger rollback
}

#[track]
async fn goes_on_after_a_trigger_in_a_text(pool: &SqlitePool) -> Result {
    let mut conn = pool.acquire().await?;
    sqlx::query("BEGIN").execute(&mut *conn).await?;
    let _ = sqlx::query(REFUSED).execute(&mut *conn).await;
    sqlx::query(SECOND).execute(&mut *conn).await?;
    let ended = sqlx::query("COMMIT").execute(&mut *conn).await; // @trigger text
    assert!(ended.is_err());
    Ok(())
}

#[track]
async fn fails_twice(pool: &SqlitePool) -> Result {
    let mut tx = pool.begin().await?;
    sqlx::query(FIRST).execute(&mut *tx).await?;
    assert!(sqlx::query(FIRST).execute(&mut *tx).await.is_err());
    assert!(sqlx::query(REFUSED).execute(&mut *tx).await.is_err());
    tx.commit().await // @one of two
}

/// The error does not show it. SQLite's answer to the commit does.
#[tokio::test]
async fn what_the_failed_end_shows() {
    let pool = exams().await;
    let (committed, found) = findings(goes_on_after_a_trigger(&pool)).await;
    committed.unwrap_err();
    let finding = only_failed(found.clone());
    related(&finding, &marked("trigger", "execute"));
    let kept = related(&finding, &marked("after trigger", "execute"));
    assert!(kept.label.contains("are saved"), "{}", kept.label);
    assert!(names_the_trigger(&finding), "{}", finding.render());
    check(found, &marked("trigger commit", "commit"), "commits a");
    assert_eq!(saved(&pool).await, 1);

    let pool = exams().await;
    let (_, found) = findings(rolls_back_too_late(&pool)).await;
    check(
        found,
        &marked("trigger rollback", "rollback"),
        "rolls back a",
    );

    let pool = exams().await;
    let (_, found) = findings(goes_on_after_a_trigger_in_a_text(&pool)).await;
    check(found, &marked("trigger text", "execute"), "commits a");

    let pool = exams().await;
    let (_, found) = findings(fails_twice(&pool)).await;
    let finding = only_failed(found);
    assert_eq!(finding.certainty, Certainty::Likely, "{}", finding.render());
}

fn names_the_trigger(finding: &Finding) -> bool {
    finding.help.iter().any(|help| help.contains("RAISE(ABORT"))
}

/// A constraint undoes the statement alone.
#[track]
async fn violates_a_key(pool: &SqlitePool) -> Result {
    let mut tx = pool.begin().await?;
    sqlx::query(FIRST).execute(&mut *tx).await?;
    assert!(sqlx::query(FIRST).execute(&mut *tx).await.is_err());
    let nowhere = "INSERT OR ROLLBACK INTO nowhere VALUES (1)";
    assert!(sqlx::query(nowhere).execute(&mut *tx).await.is_err());
    sqlx::query(SECOND).execute(&mut *tx).await?;
    tx.commit().await
}

#[track]
async fn begins_anew(pool: &SqlitePool) -> Result {
    let mut conn = pool.acquire().await?;
    sqlx::query("BEGIN").execute(&mut *conn).await?;
    sqlx::query("DELETE FROM exam").execute(&mut *conn).await?;
    sqlx::query(FIRST).execute(&mut *conn).await?;
    assert!(sqlx::query(CONFLICTS).execute(&mut *conn).await.is_err());
    sqlx::query("BEGIN").execute(&mut *conn).await?;
    sqlx::query("DELETE FROM exam").execute(&mut *conn).await?;
    sqlx::query("COMMIT").execute(&mut *conn).await?;
    Ok(())
}

#[track]
async fn begins_a_value_anew(pool: &SqlitePool) -> Result {
    let mut conn = pool.acquire().await?;
    sqlx::query("BEGIN").execute(&mut *conn).await?;
    sqlx::query(FIRST).execute(&mut *conn).await?;
    assert!(sqlx::query(CONFLICTS).execute(&mut *conn).await.is_err());
    let mut tx = conn.begin().await?;
    sqlx::query(FIRST).execute(&mut *tx).await?;
    tx.commit().await
}

/// Nothing was saved meanwhile, so that the rollback loses nothing.
#[track]
async fn rolls_back_at_once(pool: &SqlitePool) -> Result {
    let mut tx = pool.begin().await?;
    assert!(sqlx::query(REFUSED).execute(&mut *tx).await.is_err());
    assert!(tx.rollback().await.is_err());
    Ok(())
}

#[track]
async fn saves_points(pool: &SqlitePool) -> Result {
    let mut conn = pool.acquire().await?;
    for text in [
        "SAVEPOINT a",
        "SAVEPOINT b",
        "ROLLBACK TO a",
        "RELEASE a",
        "BEGIN",
        "COMMIT",
    ] {
        sqlx::raw_sql(text).execute(&mut *conn).await?;
    }
    Ok(())
}

#[tokio::test]
async fn near_misses() {
    let pool = exams().await;
    none(findings(violates_a_key(&pool)).await);
    assert_eq!(saved(&pool).await, 2);
    none(findings(begins_anew(&pool)).await);
    none(findings(begins_a_value_anew(&pool)).await);
    assert_eq!(saved(&pool).await, 1);
    none(findings(rolls_back_at_once(&pool)).await);
    let pool = exams().await;
    none(findings(saves_points(&pool)).await);
}
