//! Slow statements that wait for a lock: a plan would not show that.

use leash_test_support::Db;
use sqlx::leash::testing::findings;
use sqlx::leash::{Certainty, Finding, Lint};
use sqlx::mysql::MySqlPoolOptions;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{
    AssertSqlSafe, Connection, MySqlConnection, MySqlPool, PgConnection, PgPool, Postgres,
    SqlitePool, track,
};

use crate::common::{
    Place, TestPool, assert_certainty, assert_helps, marked, only_of, received, related, reported,
};

type Result = sqlx::Result<()>;

async fn postgres() -> Option<(Db, TestPool<Postgres>)> {
    let db = leash_test_support::postgres().await?;
    let pool = PgPoolOptions::new().connect(db.url()).await.unwrap();
    let create =
        "CREATE TABLE exam (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO exam VALUES (1, 'a')";
    sqlx::raw_sql(create).execute(&pool).await.unwrap();
    Some((db, TestPool::of(pool)))
}

/// The `slow_query` of `work`, which is dropped once that is reported about the pool of this name.
pub(super) async fn slow(pool: &str, work: impl Future<Output = Result>) -> Finding {
    let mut before = received(pool);
    before.retain(|finding| finding.lint == Lint::SlowQuery);
    let run = async {
        tokio::select! {
            () = reported(pool, Lint::SlowQuery, before.len() + 1) => {}
            ended = work => panic!("it waits: {ended:?}"),
        }
    };
    let ((), found) = findings(Box::pin(run)).await;
    only_of(Lint::SlowQuery, &found).clone()
}

pub(super) fn explains(finding: &Finding) -> bool {
    finding.help.iter().any(|help| help.contains("EXPLAIN"))
}

#[track(slow_query = "200ms")]
async fn takes_a_number(pool: &PgPool) -> Result {
    let lock = "SELECT pg_advisory_lock(1010)";
    sqlx::query(lock).execute(pool).await?; // @number
    Ok(())
}

#[tokio::test]
async fn an_advisory_lock() {
    let Some((db, pool)) = postgres().await else {
        return;
    };
    let mut other = PgConnection::connect(db.url()).await.unwrap();
    let lock = "SELECT pg_advisory_lock(1010)";
    sqlx::raw_sql(lock).execute(&mut other).await.unwrap();
    let finding = slow(pool.name(), takes_a_number(&pool)).await;
    assert_eq!(Place::from(&finding.primary), marked("number", "execute"));
    assert_certainty(&finding, Certainty::Likely);
    assert!(
        finding.cause.starts_with("it asks for a lock by its name"),
        "{}",
        finding.cause
    );
    assert!(!explains(&finding), "{}", finding.render());
    assert_helps(&finding, "pg_blocking_pids(pid)");
    assert_helps(
        &finding,
        "SELECT * FROM pg_locks WHERE locktype = 'advisory'",
    );
    // The help is a statement that the server takes, and shows who waits.
    let list = finding.help[0].split('`').nth(1).unwrap().to_owned();
    let waits = sqlx::query(AssertSqlSafe(list))
        .fetch_all(&mut other)
        .await
        .unwrap();
    assert!(!waits.is_empty());
}

#[track(slow_query = "200ms")]
async fn locks_a_table(pool: &PgPool) -> Result {
    let mut tx = pool.begin().await?;
    sqlx::query("LOCK TABLE exam").execute(&mut *tx).await?;
    tx.commit().await
}

#[track(slow_query = "200ms")]
async fn locks_a_row(pool: &PgPool) -> Result {
    let lock = "SELECT * FROM exam WHERE id = 1 FOR UPDATE";
    sqlx::query(lock).fetch_all(pool).await?;
    Ok(())
}

#[tokio::test]
async fn tables_and_rows() {
    let Some((db, pool)) = postgres().await else {
        return;
    };
    let mut other = PgConnection::connect(db.url()).await.unwrap();
    let writes = "BEGIN; UPDATE exam SET name = 'b'";
    sqlx::raw_sql(writes).execute(&mut other).await.unwrap();
    for (finding, cause) in [
        (
            slow(pool.name(), locks_a_row(&pool)).await,
            "it locks the rows that it selects",
        ),
        (
            slow(pool.name(), locks_a_table(&pool)).await,
            "it locks whole tables",
        ),
    ] {
        assert!(finding.cause.starts_with(cause), "{}", finding.render());
        assert!(!explains(&finding), "{}", finding.render());
        assert_helps(&finding, "SET LOCAL lock_timeout = '5s'");
    }
}

#[track(slow_query = "200ms")]
async fn takes_a_name(pool: &MySqlPool) -> Result {
    sqlx::query("SELECT GET_LOCK('migrations', 60)")
        .execute(pool)
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_lock_of_mysql() {
    let Some(db) = leash_test_support::mysql().await else {
        return;
    };
    let pool = TestPool::of(MySqlPoolOptions::new().connect(db.url()).await.unwrap());
    let mut other = MySqlConnection::connect(db.url()).await.unwrap();
    let lock = "SELECT GET_LOCK('migrations', 1)";
    sqlx::raw_sql(lock).execute(&mut other).await.unwrap();
    let finding = slow(pool.name(), takes_a_name(&pool)).await;
    assert!(!explains(&finding), "{}", finding.render());
    assert_helps(&finding, "SHOW FULL PROCESSLIST");
    assert_helps(&finding, "IS_USED_LOCK");
}

const RENAME: &str = "UPDATE exam SET name = 'b' WHERE id = 1";

#[track]
async fn waits_for_itself(pool: &PgPool) -> Result {
    let mut tx = pool.begin().await?; // @own transaction
    sqlx::query(RENAME).execute(&mut *tx).await?; // @own write
    renames(pool).await?;
    tx.commit().await
}

#[track(slow_query = "200ms")]
async fn renames(pool: &PgPool) -> Result {
    sqlx::query(RENAME).execute(pool).await?; // @renames
    Ok(())
}

/// PostgreSQL sees no deadlock: the transaction is idle, because its task waits.
#[tokio::test]
async fn a_lock_of_the_task_itself() {
    let Some((_db, pool)) = postgres().await else {
        return;
    };
    let finding = slow(pool.name(), waits_for_itself(&pool)).await;
    assert_eq!(Place::from(&finding.primary), marked("renames", "execute"));
    assert_certainty(&finding, Certainty::Likely);
    let holder = "findings::slow::locks::waits_for_itself has open on the same database";
    assert!(finding.cause.contains(holder), "{}", finding.cause);
    related(&finding, &marked("own transaction", "begin"));
    related(&finding, &marked("own write", "execute"));
    assert!(!explains(&finding), "{}", finding.render());
    assert_helps(&finding, "`&mut *tx`");
}

#[track]
async fn only_reads_before(pool: &PgPool) -> Result {
    let mut tx = pool.begin().await?;
    sqlx::query("SELECT * FROM exam")
        .fetch_all(&mut *tx)
        .await?;
    renames(pool).await?;
    tx.commit().await
}

#[track]
async fn renames_beside(pool: &PgPool, locked: &tokio::sync::Notify) -> Result {
    let mut tx = pool.begin().await?;
    sqlx::query(RENAME).execute(&mut *tx).await?;
    locked.notify_one();
    std::future::pending::<()>().await;
    tx.commit().await
}

#[track(slow_query = "200ms")]
async fn sleeps(pool: &PgPool) -> Result {
    let mut tx = pool.begin().await?;
    sqlx::query(RENAME).execute(&mut *tx).await?;
    sqlx::query("SELECT pg_sleep(60)").execute(pool).await?;
    tx.commit().await
}

/// Near misses: a transaction that only reads, one of another branch, and a statement that needs no lock.
#[tokio::test]
async fn nothing_of_the_task_itself() {
    let Some((db, pool)) = postgres().await else {
        return;
    };
    let finding = slow(pool.name(), sleeps(&pool)).await;
    assert_certainty(&finding, Certainty::Certain);
    assert!(explains(&finding), "{}", finding.render());

    let pool = TestPool::of(PgPoolOptions::new().connect(db.url()).await.unwrap());
    let locked = tokio::sync::Notify::new();
    let both = async {
        let beside = renames_beside(&pool, &locked);
        let waits = async {
            locked.notified().await;
            renames(&pool).await
        };
        futures::try_join!(beside, waits).map(drop)
    };
    let finding = slow(pool.name(), both).await;
    assert!(explains(&finding), "{}", finding.render());
    assert_helps(&finding, "or it waits for a lock: ");

    let pool = TestPool::of(PgPoolOptions::new().connect(db.url()).await.unwrap());
    let mut other = PgConnection::connect(db.url()).await.unwrap();
    sqlx::raw_sql("BEGIN; UPDATE exam SET name = 'c'")
        .execute(&mut other)
        .await
        .unwrap();
    let finding = slow(pool.name(), only_reads_before(&pool)).await;
    assert!(explains(&finding), "{}", finding.render());
}

#[track(slow_query = "200ms")]
async fn waits_for_its_own_file(pool: &SqlitePool) -> Result {
    let mut tx = pool.begin().await?; // @own file
    let insert = "INSERT INTO exam VALUES (1)";
    sqlx::query(insert).execute(&mut *tx).await?;
    sqlx::query(insert).execute(pool).await?;
    tx.commit().await
}

#[track(slow_query = "200ms")]
async fn waits_for_its_own_begin(pool: &SqlitePool) -> Result {
    let tx = pool.begin_with("BEGIN IMMEDIATE").await?; // @own immediate
    let insert = "INSERT INTO exam VALUES (1)";
    sqlx::query(insert).execute(pool).await?;
    tx.commit().await
}

#[track(slow_query = "200ms")]
async fn waits_for_a_write_of_nothing(pool: &SqlitePool) -> Result {
    let mut tx = pool.begin().await?; // @own empty
    let nothing = "DELETE FROM exam WHERE id = -1";
    sqlx::query(nothing).execute(&mut *tx).await?; // @own nothing
    sqlx::query(nothing).execute(pool).await?;
    tx.commit().await
}

pub(super) async fn file_of_exams() -> TestPool<sqlx::Sqlite> {
    let folder = tempfile::tempdir().unwrap();
    let file = SqliteConnectOptions::new().filename(folder.path().join("exams"));
    let options = SqlitePoolOptions::new().max_connections(2);
    let pool = options
        .connect_with(file.create_if_missing(true))
        .await
        .unwrap();
    sqlx::raw_sql("CREATE TABLE exam (id INTEGER)")
        .execute(&pool)
        .await
        .unwrap();
    TestPool::new(pool, folder)
}

/// A transaction has the lock for writing once it has written, changed a row or not, or from its begin.
#[tokio::test]
async fn sqlite_has_one_writer() {
    let pool = file_of_exams().await;
    let finding = slow(pool.name(), waits_for_its_own_file(&pool)).await;
    assert_certainty(&finding, Certainty::Likely);
    related(&finding, &marked("own file", "begin"));
    assert!(!explains(&finding), "{}", finding.render());

    let pool = file_of_exams().await;
    let finding = slow(pool.name(), waits_for_its_own_begin(&pool)).await;
    related(&finding, &marked("own immediate", "begin_with"));

    let pool = file_of_exams().await;
    let finding = slow(pool.name(), waits_for_a_write_of_nothing(&pool)).await;
    related(&finding, &marked("own empty", "begin"));
    related(&finding, &marked("own nothing", "execute"));
}

#[track(slow_query = "1ms")]
async fn sends_a_long_text(pool: &SqlitePool) -> Result {
    let long = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) SELECT max(i){} FROM n",
        " + 0".repeat(100)
    );
    sqlx::query(AssertSqlSafe(long)).fetch_all(pool).await?;
    Ok(())
}

/// A part of a text has another plan, or none.
#[tokio::test]
async fn a_long_text_is_not_cut_for_the_help() {
    let pool = crate::common::pool().await;
    let (ended, found) = findings(sends_a_long_text(&pool)).await;
    ended.unwrap();
    let finding = only_of(Lint::SlowQuery, &found);
    assert!(!explains(finding), "{}", finding.render());
}
