//! `failed_transaction`: the program goes on to use, or commits, a transaction that the server has failed.

mod mysql;
mod sqlite;
mod states;
mod texts;
mod ways;

use leash_test_support::Db;
use sqlx::leash::testing::findings;
use sqlx::leash::{Certainty, Config, Finding, Level, Lint};
use sqlx::mysql::MySqlPoolOptions;
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection, MySqlPool, PgPool, track};

use crate::common::{Place, Says, TestPool, assert_none, marked, none_of, only};

const FAILS: &str = "UPDATE nowhere SET members = 1";
const MEMBER: &str = "INSERT INTO member VALUES ('a')";

#[track]
async fn commits(pool: &PgPool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?; // @pg begin
    sqlx::query(MEMBER).execute(&mut *tx).await?; // @pg lost
    let _ = sqlx::query(FAILS).execute(&mut *tx).await; // @pg fails
    tx.commit().await // @pg commit
}

#[track]
async fn goes_on(pool: &PgPool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    let _ = sqlx::query(FAILS).execute(&mut *tx).await;
    let _ = sqlx::query(MEMBER).execute(&mut *tx).await; // @pg next
    let _ = sqlx::query(MEMBER).execute(&mut *tx).await;
    tx.commit().await
}

#[track]
async fn commits_a_savepoint(pool: &PgPool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    let mut savepoint = tx.begin().await?;
    let _ = sqlx::query(FAILS).execute(&mut *savepoint).await;
    savepoint.commit().await // @pg release
}

#[track]
async fn commits_by_a_text(pool: &PgPool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    let _ = sqlx::query(FAILS).execute(&mut *tx).await;
    sqlx::query("COMMIT").execute(&mut *tx).await?; // @pg commit text
    Ok(())
}

#[track]
async fn returns_the_error(pool: &PgPool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    sqlx::query(FAILS).execute(&mut *tx).await?;
    tx.commit().await
}

#[track]
async fn rolls_back(pool: &PgPool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    let _ = sqlx::query(FAILS).execute(&mut *tx).await;
    tx.rollback().await
}

#[track]
async fn heals_by_a_savepoint(pool: &PgPool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    sqlx::query(MEMBER).execute(&mut *tx).await?;
    let mut savepoint = tx.begin().await?;
    let _ = sqlx::query(FAILS).execute(&mut *savepoint).await;
    savepoint.rollback().await?;
    let mut dropped = tx.begin().await?;
    let _ = sqlx::query(FAILS).execute(&mut *dropped).await;
    drop(dropped);
    sqlx::query(MEMBER).execute(&mut *tx).await?;
    tx.commit().await
}

#[track]
async fn heals_by_texts(pool: &PgPool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    sqlx::query("SAVEPOINT before").execute(&mut *tx).await?;
    let _ = sqlx::query(FAILS).execute(&mut *tx).await;
    sqlx::query("ROLLBACK TO before").execute(&mut *tx).await?;
    sqlx::query(MEMBER).execute(&mut *tx).await?;
    tx.commit().await
}

#[track]
async fn fails_on_this_side(pool: &PgPool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    let undecodable = sqlx::query_scalar::<_, i64>("SELECT 'a'");
    assert!(undecodable.fetch_one(&mut *tx).await.is_err());
    let none = sqlx::query("SELECT 1 WHERE false").fetch_one(&mut *tx);
    assert!(none.await.is_err());
    sqlx::query(MEMBER).execute(&mut *tx).await?;
    tx.commit().await
}

#[track]
async fn fails_before_its_transaction(pool: &PgPool) -> sqlx::Result<()> {
    let mut conn = pool.acquire().await?;
    let _ = sqlx::query(FAILS).execute(&mut *conn).await;
    let mut tx = conn.begin().await?;
    sqlx::query(MEMBER).execute(&mut *tx).await?;
    tx.commit().await
}

#[track(deny(failed_transaction, reason = "a test"))]
async fn is_denied(pool: &PgPool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    let _ = sqlx::query(FAILS).execute(&mut *tx).await;
    tx.commit().await // @pg denied
}

#[track(allow(failed_transaction, reason = "a test"))]
async fn is_allowed(pool: &PgPool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    let _ = sqlx::query(FAILS).execute(&mut *tx).await;
    tx.commit().await
}

async fn members(pool: &PgPool) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM member")
        .fetch_one(pool)
        .await
        .unwrap()
}

async fn on_postgres() -> Option<(Db, TestPool<sqlx::Postgres>)> {
    let db = leash_test_support::postgres().await?;
    let options = PgPoolOptions::new().max_connections(2);
    let pool = TestPool::of(options.connect(db.url()).await.unwrap());
    let tables = "CREATE TABLE member (name TEXT); CREATE TABLE number (n INT UNIQUE DEFERRABLE INITIALLY DEFERRED)";
    sqlx::raw_sql(tables).execute(&*pool).await.unwrap();
    Some((db, pool))
}

/// The only finding of the lint.
#[track_caller]
fn only_failed(mut found: Vec<Finding>) -> Finding {
    found.retain(|finding| finding.lint == Lint::FailedTransaction);
    only(found)
}

/// Asserts that the work went well, and that the lint is silent.
#[track_caller]
fn none((result, found): (sqlx::Result<()>, Vec<Finding>)) {
    result.unwrap();
    none_of(Lint::FailedTransaction, &found);
}

#[track_caller]
fn check(found: Vec<Finding>, place: &Place, title: &str) {
    let found = only_failed(found);
    assert_eq!(found.certainty, Certainty::Certain, "{}", found.render());
    assert_eq!(Place::from(&found.primary), *place, "{}", found.render());
    assert!(found.title.contains(title), "{}", found.title);
}

#[tokio::test]
async fn a_commit_that_saves_nothing() {
    let Some((_db, pool)) = on_postgres().await else {
        return;
    };
    let (committed, found) = findings(commits(&pool)).await;
    committed.unwrap();
    assert_eq!(members(&pool).await, 0, "the commit was a rollback");
    Says {
        lint: Lint::FailedTransaction,
        level: Level::Warn,
        certainty: Certainty::Certain,
        primary: marked("pg commit", "commit"),
        function: Some("findings::failed::commits"),
        title: &[
            "commits a transaction of pool",
            "that the server has failed",
        ],
        related: &[
            ("this statement failed", marked("pg fails", "execute")),
            ("the transaction begins here", marked("pg begin", "begin")),
            ("are not saved", marked("pg lost", "execute")),
        ],
        facts: &["failed statement UPDATE nowhere", "SQLSTATE 42P01"],
        help: &["`?`", "savepoint.rollback().await?"],
    }
    .check(&only(found));
}

#[tokio::test]
async fn statements_and_commits_after_a_failure() {
    let Some((_db, pool)) = on_postgres().await else {
        return;
    };
    let (_, found) = findings(goes_on(&pool)).await;
    let place = marked("pg next", "execute");
    check(
        found,
        &place,
        "sends `INSERT member` in a transaction of pool",
    );
    let (released, found) = findings(commits_a_savepoint(&pool)).await;
    released.unwrap_err();
    let says = only(found.clone()).render();
    assert!(says.contains("refuses to release this savepoint"), "{says}");
    let place = marked("pg release", "commit");
    check(
        found,
        &place,
        "commits a savepoint in a transaction of pool",
    );
    let (committed, found) = findings(commits_by_a_text(&pool)).await;
    committed.unwrap();
    let says = only(found.clone()).render();
    assert!(says.contains("this commit is a rollback"), "{says}");
    let place = marked("pg commit text", "execute");
    check(found, &place, "commits a transaction of pool");
}

#[tokio::test]
async fn near_misses() {
    let Some((_db, pool)) = on_postgres().await else {
        return;
    };
    let (result, found) = findings(returns_the_error(&pool)).await;
    result.unwrap_err();
    assert_none(&found);
    let (result, found) = findings(rolls_back(&pool)).await;
    result.unwrap();
    assert_none(&found);
    let (result, found) = findings(heals_by_a_savepoint(&pool)).await;
    result.unwrap();
    assert_none(&found);
    assert_eq!(members(&pool).await, 2);
    let (result, found) = findings(heals_by_texts(&pool)).await;
    result.unwrap();
    assert_none(&found);
    let (result, found) = findings(fails_on_this_side(&pool)).await;
    result.unwrap();
    assert_none(&found);
    let (result, found) = findings(fails_before_its_transaction(&pool)).await;
    result.unwrap();
    assert_none(&found);
    assert_eq!(members(&pool).await, 5, "everything else was saved");
    let (result, found) = findings(is_allowed(&pool)).await;
    result.unwrap();
    assert_none(&found);
}

#[tokio::test]
async fn a_denied_one_panics_at_the_commit() {
    let Some((_db, pool)) = on_postgres().await else {
        return;
    };
    let place = marked("pg denied", "commit");
    crate::common::note_panics();
    let inside = sqlx::PgPool::clone(&pool);
    let task = tokio::spawn(async move { is_denied(&inside).await });
    let panicked = task.await.is_err();
    assert_eq!(panicked, cfg!(debug_assertions));
    if panicked {
        let panics = crate::common::panics_about(pool.name());
        assert_eq!(panics[0].0, place, "{panics:?}");
    }
}

/// Two transactions lock two rows in opposite order. The server rolls one back, and its code goes on.
#[track]
async fn is_a_victim(pool: &MySqlPool) -> sqlx::Result<bool> {
    let (mut one, mut other) = (pool.begin().await?, pool.begin().await?);
    sqlx::query("UPDATE stock SET n = 1 WHERE id = 1")
        .execute(&mut *one)
        .await?;
    // The server keeps the transaction that has written more.
    sqlx::query("INSERT INTO stock VALUES (11, 0), (12, 0), (13, 0)")
        .execute(&mut *other)
        .await?;
    sqlx::query("UPDATE stock SET n = 2 WHERE id = 2")
        .execute(&mut *other)
        .await?;
    let waits = sqlx::query("UPDATE stock SET n = 1 WHERE id = 2").execute(&mut *one); // @my victim
    let closes = sqlx::query("UPDATE stock SET n = 2 WHERE id = 1").execute(&mut *other);
    let (victim, survivor) = futures::future::join(waits, closes).await;
    survivor?;
    other.commit().await?;
    one.commit().await?; // @my commit
    Ok(victim.is_err())
}

#[track]
async fn violates_a_key(pool: &MySqlPool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    let twice = sqlx::query("INSERT INTO stock VALUES (1, 0)").execute(&mut *tx);
    assert!(twice.await.is_err());
    sqlx::query("UPDATE stock SET n = 3 WHERE id = 2")
        .execute(&mut *tx)
        .await?;
    tx.commit().await
}

#[tokio::test]
async fn the_victim_of_a_deadlock() {
    let Some(db) = leash_test_support::mysql().await else {
        return;
    };
    let options = MySqlPoolOptions::new().max_connections(2);
    let pool = TestPool::of(options.connect(db.url()).await.unwrap());
    let stock =
        "CREATE TABLE stock (id INT PRIMARY KEY, n INT); INSERT INTO stock VALUES (1, 0), (2, 0)";
    sqlx::raw_sql(stock).execute(&*pool).await.unwrap();

    let (result, found) = findings(violates_a_key(&pool)).await;
    result.unwrap();
    assert_none(&found);

    let (result, found) = findings(is_a_victim(&pool)).await;
    assert!(result.unwrap(), "the server chose the other one");
    check(found, &marked("my commit", "commit"), "has rolled back");
}

#[test]
fn its_level_can_be_set() {
    let _ = Config::new().level(Lint::FailedTransaction, Level::Allow);
    assert_eq!("failed_transaction".parse(), Ok(Lint::FailedTransaction));
}
