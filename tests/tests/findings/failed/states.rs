//! What other findings and snapshots say of a transaction that has failed, or that a text has begun.

use std::future::pending;
use std::time::Duration;

use sqlx::leash::testing::findings;
use sqlx::leash::{self, Lint};
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{PgPool, SqlitePool, track};
use tokio::sync::Notify;

use super::{FAILS, on_postgres};
use crate::common::{
    Place, TestPool, assert_helps, bare_pool_of, connect, marked, only_of, related, rendered,
    reported, said,
};

type Result = sqlx::Result<()>;

/// Rolls the transaction back, because the table has the row already.
const CONFLICTS: &str = "INSERT OR ROLLBACK INTO exam VALUES (1)";

async fn exams(pool: TestPool) -> TestPool {
    let exam = "CREATE TABLE exam (id INTEGER PRIMARY KEY); INSERT INTO exam VALUES (1)";
    sqlx::raw_sql(exam).execute(&*pool).await.unwrap();
    pool
}

#[track(held_idle = "50ms", held_too_long = "50ms")]
async fn idles(pool: &TestPool) -> Result {
    let mut tx = pool.begin().await?;
    let _ = sqlx::query(CONFLICTS).execute(&mut *tx).await;
    reported(pool.name(), Lint::HeldIdle, 1).await;
    reported(pool.name(), Lint::HeldTooLong, 1).await;
    tx.rollback().await.ok();
    Ok(())
}

#[track(held_idle = "50ms")]
async fn idles_in_a_text(pool: &TestPool) -> Result {
    let mut conn = pool.acquire().await?;
    sqlx::query("BEGIN").execute(&mut *conn).await?;
    reported(pool.name(), Lint::HeldIdle, 1).await;
    sqlx::query("ROLLBACK").execute(&mut *conn).await?;
    Ok(())
}

#[track(held_idle = "50ms")]
async fn idles_healed(pool: &TestPool) -> Result {
    let mut tx = pool.begin().await?;
    let twice = "INSERT INTO exam VALUES (1)";
    assert!(sqlx::query(twice).execute(&mut *tx).await.is_err());
    reported(pool.name(), Lint::HeldIdle, 1).await;
    tx.rollback().await
}

const ROLLED_BACK: &str = "in a transaction that the database has rolled back, ";

#[tokio::test]
async fn of_what_is_held() {
    let pool = exams(bare_pool_of(1).await).await;
    let (_, found) = findings(idles(&pool)).await;
    for lint in [Lint::HeldIdle, Lint::HeldTooLong] {
        let state = said(only_of(lint, &found), "is");
        assert!(state.starts_with(ROLLED_BACK), "{state}");
    }

    let pool = bare_pool_of(1).await;
    let (_, found) = findings(idles_in_a_text(&pool)).await;
    let finding = only_of(Lint::HeldIdle, &found);
    assert!(
        finding.title.contains("holds a transaction of"),
        "{}",
        finding.title
    );
    assert_helps(finding, "before the BEGIN or after the COMMIT");

    let pool = exams(bare_pool_of(1).await).await;
    let (_, found) = findings(idles_healed(&pool)).await;
    let finding = only_of(Lint::HeldIdle, &found);
    assert!(finding.facts.iter().all(|fact| fact.name != "is"));
}

#[track]
async fn hoards(pool: &SqlitePool, failed: &Notify) -> Result {
    let mut tx = pool.begin().await?; // @hoarded
    let _ = sqlx::query(CONFLICTS).execute(&mut *tx).await;
    failed.notify_one();
    pending::<()>().await;
    tx.commit().await
}

#[track]
async fn hoards_in_a_text(pool: &SqlitePool, failed: &Notify) -> Result {
    let mut conn = pool.acquire().await?;
    sqlx::query("BEGIN").execute(&mut *conn).await?;
    failed.notify_one();
    pending::<()>().await;
    drop(conn);
    Ok(())
}

#[track]
async fn waits(pool: &SqlitePool, failed: &Notify) -> Result {
    failed.notified().await;
    assert!(pool.acquire().await.is_err());
    Ok(())
}

/// A pool of one connection, whose acquires give up soon.
async fn impatient() -> TestPool {
    let options = SqlitePoolOptions::new().max_connections(1);
    let options = options.acquire_timeout(Duration::from_millis(300));
    exams(connect(options.idle_timeout(None).max_lifetime(None)).await).await
}

#[tokio::test]
async fn of_the_holders_of_a_pool_that_ran_dry() {
    let (pool, failed) = (impatient().await, Notify::new());
    let work = async {
        tokio::select! {
            _ = hoards(&pool, &failed) => {}
            waited = waits(&pool, &failed) => waited.unwrap(),
        }
    };
    let ((), found) = findings(Box::pin(work)).await;
    let finding = only_of(Lint::PoolTimeout, &found);
    let holder = related(finding, &marked("hoarded", "begin"));
    assert!(holder.label.contains(ROLLED_BACK), "{}", holder.label);

    let (pool, failed) = (impatient().await, Notify::new());
    let work = async {
        tokio::select! {
            _ = hoards_in_a_text(&pool, &failed) => {}
            waited = waits(&pool, &failed) => waited.unwrap(),
        }
    };
    let ((), found) = findings(Box::pin(work)).await;
    let finding = only_of(Lint::PoolTimeout, &found);
    assert_helps(finding, "before its slow work: `COMMIT`");
}

#[track]
async fn reads_snapshots(pool: &PgPool, name: &str) -> Result {
    let transaction = || {
        let handles = leash::snapshot().handles;
        let mut handles = handles.into_iter().filter(|handle| handle.pool == name);
        handles.next().expect("it is held").transaction
    };
    let mut conn = pool.acquire().await?;
    assert!(transaction().is_none());
    sqlx::query("BEGIN").execute(&mut *conn).await?; // @snapshot begin
    let _ = sqlx::query(FAILS).execute(&mut *conn).await;
    let open = transaction().expect("it is open");
    assert!(open.by_statement);
    assert_eq!(open.statements, 1);
    let begin = marked("snapshot begin", "execute");
    assert_eq!(Place::from(&open.site), begin);
    let failure = open.failure.expect("it has failed");
    assert_eq!(failure.statement, "UPDATE nowhere");
    assert_eq!((&*failure.code, failure.rolled_back), ("42P01", false));
    let mut snapshot = leash::snapshot();
    // Other tests have handles, too, and the table of many has no line for each.
    snapshot.handles.retain(|handle| handle.pool == name);
    let table = snapshot.to_string();
    let line = "in a transaction that the database has failed";
    assert!(table.contains(line), "{table}");
    sqlx::query("ROLLBACK").execute(&mut *conn).await?;
    assert!(transaction().is_none());
    Ok(())
}

#[tokio::test]
async fn of_snapshots() {
    let Some((_db, pool)) = on_postgres().await else {
        return;
    };
    reads_snapshots(&pool, pool.name()).await.unwrap();
}

#[track(slow_query = "1ms")]
async fn goes_on_slowly(pool: &SqlitePool) -> Result {
    let mut tx = pool.begin().await?;
    let _ = sqlx::query(CONFLICTS).execute(&mut *tx).await;
    let slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) SELECT max(i) FROM n";
    sqlx::query(slow).fetch_all(&mut *tx).await?;
    tx.rollback().await.ok();
    Ok(())
}

#[tokio::test]
async fn of_a_slow_statement() {
    let pool = exams(bare_pool_of(1).await).await;
    let (_, found) = findings(goes_on_slowly(&pool)).await;
    let mut slow = found.iter().filter(|it| it.lint == Lint::SlowQuery);
    let state = slow.any(|it| {
        it.facts
            .iter()
            .any(|fact| fact.value.starts_with(ROLLED_BACK))
    });
    assert!(state, "{}", rendered(&found));
}
