//! On PostgreSQL: COPY, listeners, and statements that take the server a long time.

use futures::TryStreamExt;
use sqlx::leash::Lint;
use sqlx::leash::testing::findings;
use sqlx::postgres::{PgListener, PgPoolCopyExt, PgPoolOptions};
use sqlx::{Acquire, PgPool, Postgres, track};

use crate::common::{self, Says, TestPool, marked, only, reported, silent, watched};

use super::IDLE;

async fn postgres() -> Option<(leash_test_support::Db, TestPool<Postgres>)> {
    let db = leash_test_support::postgres().await?;
    let pool = PgPoolOptions::new().connect(db.url()).await.unwrap();
    Some((db, TestPool::of(pool)))
}

#[track(held_idle = "100ms")]
async fn copies_in(pool: &TestPool<Postgres>) {
    let mut copy = pool
        .copy_in_raw("COPY exam FROM STDIN") // @copy
        .await
        .unwrap();
    copy.send(&b"1\n2\n"[..]).await.unwrap();
    copy.send(&b"3\n"[..]).await.unwrap();
    reported(pool.name(), Lint::HeldIdle, 1).await;
    assert_eq!(copy.finish().await.unwrap(), 3);
}

#[tokio::test]
async fn a_stalled_copy() {
    let Some((_db, pool)) = postgres().await else {
        return;
    };
    sqlx::raw_sql("CREATE TABLE exam (id INT)")
        .execute(&*pool)
        .await
        .unwrap();
    let ((), found) = findings(Box::pin(copies_in(&pool))).await;
    let found = only(found);
    Says {
        primary: marked("copy", "copy_in_raw"),
        function: Some("findings::held::servers::copies_in"),
        title: &["holds a COPY of pool"],
        facts: &["moved 2 pieces, the last one"],
        help: &["`copy.finish().await?`"],
        ..IDLE
    }
    .check(&found);
    assert!(found.cause.contains("it moves none"), "{}", found.cause);
}

#[track(held_idle = "100ms")]
async fn copies_into_a_slow_table(pool: &PgPool) {
    let mut copy = pool.copy_in_raw("COPY slow FROM STDIN").await.unwrap();
    copy.send(&b"1\n"[..]).await.unwrap();
    copy.finish().await.unwrap();
}

#[tokio::test]
async fn a_copy_whose_end_takes_the_server_long() {
    let Some((_db, pool)) = postgres().await else {
        return;
    };
    sqlx::raw_sql(
        "CREATE TABLE slow (id INT);
         CREATE FUNCTION rest() RETURNS trigger AS $$ BEGIN PERFORM pg_sleep(2); RETURN NEW; END $$ LANGUAGE plpgsql;
         CREATE TRIGGER rest BEFORE INSERT ON slow FOR EACH ROW EXECUTE FUNCTION rest()",
    )
    .execute(&*pool)
    .await
    .unwrap();
    silent(copies_into_a_slow_table(&pool)).await;
}

#[track(held_idle = "100ms")]
async fn copies_out(pool: &TestPool<Postgres>) {
    let mut data = pool
        .copy_out_raw("COPY (SELECT generate_series(1, 5)) TO STDOUT") // @copy out
        .await
        .unwrap();
    data.try_next().await.unwrap().unwrap();
    reported(pool.name(), Lint::HeldIdle, 1).await;
    let rest: Vec<_> = data.try_collect().await.unwrap();
    assert_eq!(rest.len(), 4);
}

#[tokio::test]
async fn a_stalled_copy_to_the_program() {
    let Some((_db, pool)) = postgres().await else {
        return;
    };
    let ((), found) = findings(Box::pin(copies_out(&pool))).await;
    Says {
        primary: marked("copy out", "copy_out_raw"),
        function: Some("findings::held::servers::copies_out"),
        title: &["holds a COPY of pool"],
        facts: &["moved 1 piece, the last one"],
        ..IDLE
    }
    .check(&only(found));
}

#[track(held_idle = "50ms")]
async fn listens(pool: &PgPool) {
    let mut listener = PgListener::connect_with(pool).await.unwrap();
    listener.listen("exam").await.unwrap();
    watched().await;
    watched().await;
}

#[tokio::test]
async fn a_listener_is_reserved() {
    let Some((_db, pool)) = postgres().await else {
        return;
    };
    silent(listens(&pool)).await;
}

#[track(held_idle = "50ms")]
async fn sleeps_in_the_server(pool: &PgPool) {
    let mut tx = pool.begin().await.unwrap();
    sqlx::query("SELECT pg_sleep(1.5)")
        .execute(&mut *tx)
        .await
        .unwrap();
    let mut inner = (&mut tx).begin().await.unwrap();
    sqlx::query("SELECT pg_sleep(1)")
        .fetch_one(&mut *inner)
        .await
        .unwrap();
    inner.commit().await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn long_statements_of_a_server() {
    let Some((_db, pool)) = postgres().await else {
        return;
    };
    let ((), found) = findings(sleeps_in_the_server(&pool)).await;
    assert!(
        found.iter().all(|found| found.lint == Lint::SlowQuery),
        "{}",
        common::rendered(&found)
    );
}
