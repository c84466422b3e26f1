//! What stays on a connection of PostgreSQL, and what does not.

use sqlx::leash::Lint;
use sqlx::leash::testing::findings;
use sqlx::postgres::PgPoolOptions;
use sqlx::{PgPool, Postgres, track};

use crate::common::{Place, TestPool, assert_none, marked, only, reported};

use super::{check, sent, sent_raw, sent_to_pool};

async fn on_postgres() -> Option<TestPool<Postgres>> {
    let db = leash_test_support::postgres().await?;
    let options = PgPoolOptions::new().max_connections(3);
    Some(TestPool::of(options.connect(db.url()).await.unwrap()))
}

#[tokio::test]
async fn each_kind() {
    let Some(pool) = on_postgres().await else {
        return;
    };
    let found = sent!(Postgres, pool, "SET search_path TO tenant_1");
    let found = check(
        found,
        "leaves the setting of `SET search_path`",
        "PgConnectOptions::options([(\"search_path\"",
    );
    assert!(!found.render().contains("tenant_1"), "{}", found.render());
    let found = sent!(Postgres, pool, "SET SESSION statement_timeout = '5s'");
    check(found, "statement_timeout", "RESET statement_timeout");
    let found = sent!(Postgres, pool, "SET TIME ZONE 'Europe/Zurich'");
    check(found, "leaves the setting of", "RESET");
    let found = sent!(
        Postgres,
        pool,
        "SELECT set_config('app.tenant', $1, false)" <- "a secret"
    );
    check(
        found,
        "leaves the setting of `set_config`",
        "set_config(…, …, true)",
    );
    let found = sent!(Postgres, pool, "SET ROLE postgres");
    check(found, "leaves another role", "SET LOCAL ROLE");
    let found = sent!(Postgres, pool, "LISTEN jobs");
    check(found, "leaves a subscription (`LISTEN jobs`)", "PgListener");
    let found = sent!(Postgres, pool, "CREATE TEMPORARY TABLE scratch (a INT)");
    check(found, "leaves a temporary table", "ON COMMIT DROP");
    let found = sent!(Postgres, pool, "SELECT pg_advisory_lock(7)");
    check(
        found,
        "leaves a session lock (`pg_advisory_lock`)",
        "pg_advisory_xact_lock",
    );
    let found = sent!(Postgres, pool, "SELECT pg_advisory_lock_shared($1)" <- 8_i64);
    check(found, "leaves a session lock", "PgAdvisoryLock::new");
}

#[tokio::test]
async fn what_ends_by_itself() {
    let Some(pool) = on_postgres().await else {
        return;
    };
    assert_none(&sent_raw!(
        Postgres,
        pool,
        "BEGIN; SET LOCAL search_path TO a; COMMIT"
    ));
    assert_none(&sent!(
        Postgres,
        pool,
        "SELECT set_config('app.tenant', 'a', true)"
    ));
    assert_none(&sent!(Postgres, pool, "SELECT pg_advisory_xact_lock(9)"));
    assert_none(&sent!(Postgres, pool, "SELECT pg_try_advisory_lock(10)"));
    assert_none(&sent_raw!(
        Postgres,
        pool,
        "BEGIN; CREATE TEMP TABLE a (a INT) ON COMMIT DROP; LOCK TABLE a; COMMIT"
    ));
    assert_none(&sent_raw!(
        Postgres,
        pool,
        "BEGIN; SET search_path TO a; ROLLBACK"
    ));
    assert_none(&sent!(
        Postgres,
        pool,
        "SELECT current_setting('search_path')"
    ));
    assert_none(&sent!(Postgres, pool, "SHOW search_path"));
}

#[tokio::test]
async fn what_is_undone() {
    let Some(pool) = on_postgres().await else {
        return;
    };
    assert_none(&sent!(
        Postgres,
        pool,
        "SET search_path TO a",
        "RESET search_path"
    ));
    assert_none(&sent!(
        Postgres,
        pool,
        "SET search_path TO b",
        "SET search_path TO DEFAULT"
    ));
    assert_none(&sent!(
        Postgres,
        pool,
        "SET search_path TO c",
        "SET search_path TO public"
    ));
    assert_none(&sent!(
        Postgres,
        pool,
        "SET search_path TO d",
        "SELECT 1",
        "RESET ALL"
    ));
    assert_none(&sent!(Postgres, pool, "SET ROLE postgres", "RESET ROLE"));
    assert_none(&sent!(
        Postgres,
        pool,
        "SELECT set_config('app.tenant', $1, false)" <- "a",
        "SELECT set_config('app.tenant', '', false)",
    ));
    assert_none(&sent!(Postgres, pool, "LISTEN jobs", "UNLISTEN *"));
    assert_none(&sent!(Postgres, pool, "LISTEN jobs", "UNLISTEN jobs"));
    assert_none(&sent!(
        Postgres,
        pool,
        "SELECT pg_advisory_lock(11)",
        "SELECT pg_advisory_lock(11)",
        "SELECT pg_advisory_unlock(11)",
        "SELECT pg_advisory_unlock(11)",
    ));
    assert_none(&sent!(
        Postgres,
        pool,
        "SELECT pg_advisory_lock($1)" <- 12_i64,
        "SELECT pg_advisory_unlock($1)" <- 12_i64,
    ));
    assert_none(&sent!(
        Postgres,
        pool,
        "SELECT pg_advisory_lock(13)",
        "SELECT pg_advisory_unlock_all()",
    ));
    assert_none(&sent!(
        Postgres,
        pool,
        "SET search_path TO e",
        "LISTEN jobs",
        "CREATE TEMP TABLE discarded (a INT)",
        "SELECT pg_advisory_lock(14)",
        "DISCARD ALL",
    ));
    let found = sent!(
        Postgres,
        pool,
        "SELECT pg_advisory_lock(15)",
        "SELECT pg_advisory_lock(15)",
        "SELECT pg_advisory_unlock(15)",
    );
    check(found, "leaves a session lock", "pg_advisory_unlock");
    let found = sent!(
        Postgres,
        pool,
        "SET search_path TO f",
        "RESET statement_timeout"
    );
    check(
        found,
        "leaves the setting of `SET search_path`",
        "RESET search_path",
    );
}

#[track]
async fn commits_a_failed_one(pool: &PgPool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    sqlx::query("SET search_path TO a")
        .execute(&mut *tx)
        .await?;
    let _ = sqlx::query("no SQL").execute(&mut *tx).await;
    let _ = tx.commit().await;
    Ok(())
}

#[track]
async fn drops_it(pool: &PgPool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    sqlx::query("SET search_path TO a")
        .execute(&mut *tx)
        .await?;
    sqlx::query("LISTEN a").execute(&mut *tx).await?;
    sqlx::query("CREATE TEMP TABLE dropped (a INT)")
        .execute(&mut *tx)
        .await?;
    Ok(())
}

#[track]
async fn drops_a_lock(pool: &PgPool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    sqlx::query("SELECT pg_advisory_lock(16)")
        .execute(&mut *tx) // @lock in a transaction
        .await?;
    Ok(())
}

#[track]
async fn commits_it(pool: &PgPool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    sqlx::query("SET search_path TO a")
        .execute(&mut *tx)
        .await?;
    tx.commit().await
}

#[tokio::test]
async fn with_the_transaction_in_which_it_was_set() {
    let Some(pool) = on_postgres().await else {
        return;
    };
    let (done, found) = findings(commits_a_failed_one(&pool)).await;
    done.unwrap();
    crate::common::none_of(sqlx::leash::Lint::SessionState, &found);
    let (done, found) = findings(drops_it(&pool)).await;
    done.unwrap();
    crate::common::none_of(sqlx::leash::Lint::SessionState, &found);
    let (done, found) = findings(drops_a_lock(&pool)).await;
    done.unwrap();
    let found = check(found, "leaves a session lock", "pg_advisory_unlock");
    let place = marked("lock in a transaction", "execute");
    assert_eq!(Place::from(&found.primary), place);
    let (done, found) = findings(commits_it(&pool)).await;
    done.unwrap();
    check(
        found,
        "leaves the setting of `SET search_path`",
        "SET LOCAL search_path",
    );
}

#[track(held_idle = "100ms")]
async fn waits_with_a_lock(pool: &TestPool<Postgres>) -> sqlx::Result<()> {
    let mut conn = pool.acquire().await?;
    sqlx::query("SELECT pg_advisory_lock(19)")
        .execute(&mut *conn)
        .await?;
    reported(pool.name(), Lint::HeldIdle, 1).await;
    sqlx::query("SELECT pg_advisory_unlock(19)")
        .execute(&mut *conn)
        .await?;
    assert!(pool.handles()[0].session_locks.is_empty());
    Ok(())
}

#[tokio::test]
async fn an_idle_handle_has_a_lock() {
    let Some(pool) = on_postgres().await else {
        return;
    };
    let (done, found) = findings(waits_with_a_lock(&pool)).await;
    done.unwrap();
    let says = only(found).to_string();
    assert!(
        says.contains("has 1 session lock (pg_advisory_lock)"),
        "{says}"
    );
}

#[tokio::test]
async fn through_the_pool() {
    let Some(pool) = on_postgres().await else {
        return;
    };
    let found = sent_to_pool!(Postgres, pool, "SELECT pg_advisory_lock(17)");
    check(
        found,
        "takes a session lock (`pg_advisory_lock`) through pool",
        "pool.acquire()",
    );
    let found = sent_to_pool!(Postgres, pool, "SET statement_timeout = 5000");
    check(
        found,
        "sends the setting `SET statement_timeout`",
        "PgConnectOptions::options",
    );
    assert_none(&sent_to_pool!(
        Postgres,
        pool,
        "SELECT pg_advisory_unlock(17)"
    ));
    assert_none(&sent_to_pool!(
        Postgres,
        pool,
        "SELECT pg_advisory_xact_lock(18)"
    ));
}
