//! `held_idle`: a handle that is held and not used.

use futures::TryStreamExt;
use sqlx::leash::Lint;
use sqlx::leash::testing::findings;
use sqlx::{Executor, SqlitePool, track};

use crate::common::{
    HUNDRED, Says, TestPool, Tx, declared, marked, only, pool, received, reported,
};

use super::IDLE;

#[track(held_idle = "100ms")]
async fn idle_connection(pool: &TestPool) {
    let mut conn = pool.acquire().await.unwrap(); // @connection
    conn.execute("SELECT 1").await.unwrap(); // @last
    reported(pool.name(), Lint::HeldIdle, 1).await;
}

#[tokio::test]
async fn a_connection() {
    let pool = pool().await;
    let ((), found) = findings(idle_connection(&pool)).await;
    let found = only(found);
    Says {
        primary: marked("connection", "acquire"),
        function: Some("findings::held::idle::idle_connection"),
        title: &[
            "findings::held::idle::idle_connection holds a connection of pool test pool ",
            "has not used it for",
            "; the limit is 100 ms",
        ],
        related: &[("last used here", marked("last", "execute"))],
        facts: &[
            "held for",
            "idle for",
            "last SELECT at tests/tests/findings/held/idle.rs:",
            "with the database,",
            "holds 1 of 5 permits",
            "waiting for this pool: 0",
        ],
        help: &[
            "`drop(conn)`",
            ".long_lived(\"…\")",
            "#[track(held_idle = \"60s\")]",
        ],
        ..IDLE
    }
    .check(&found);
    assert_eq!(found.pool.as_deref(), Some(pool.name()));
    assert_eq!(
        found.label,
        "taken here, in findings::held::idle::idle_connection"
    );
    assert!(found.cause.contains("`SELECT` ended"), "{}", found.cause);
}

#[track(held_idle = "100ms")]
async fn never_used(pool: &TestPool) {
    let _conn = pool.acquire().await.unwrap(); // @never used
    reported(pool.name(), Lint::HeldIdle, 1).await;
}

#[tokio::test]
async fn a_connection_that_was_never_used() {
    let pool = pool().await;
    let ((), found) = findings(never_used(&pool)).await;
    let found = only(found);
    Says {
        primary: marked("never used", "acquire"),
        function: Some("findings::held::idle::never_used"),
        ..IDLE
    }
    .check(&found);
    assert_eq!(found.cause, "nothing was ever sent on it");
}

#[track(held_idle = "100ms")]
async fn sleeps_in_a_transaction(pool: &TestPool) {
    let mut tx = pool.begin().await.unwrap(); // @transaction
    sqlx::query("INSERT INTO exam (name) VALUES ('a')")
        .execute(&mut *tx) // @inserted
        .await
        .unwrap();
    reported(pool.name(), Lint::HeldIdle, 1).await;
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_sleep_in_a_transaction() {
    let pool = pool().await;
    let ((), found) = findings(sleeps_in_a_transaction(&pool)).await;
    Says {
        primary: marked("transaction", "begin"),
        function: Some("findings::held::idle::sleeps_in_a_transaction"),
        title: &["holds a transaction of pool"],
        related: &[("last used here", marked("inserted", "execute"))],
        facts: &["last INSERT exam at"],
        help: &["before `begin` or after `commit`"],
        ..IDLE
    }
    .check(&only(found));
}

#[track(held_idle = "100ms")]
async fn takes_with_a_limit(pool: &SqlitePool) -> Tx {
    pool.begin().await.unwrap() // @taken for the caller
}

#[track]
async fn keeps_what_was_handed_up(pool: &TestPool) {
    let _tx = takes_with_a_limit(pool).await;
    reported(pool.name(), Lint::HeldIdle, 1).await;
}

#[tokio::test]
async fn a_handle_that_was_handed_up_names_its_present_holder() {
    let pool = pool().await;
    let ((), found) = findings(keeps_what_was_handed_up(&pool)).await;
    Says {
        primary: marked("taken for the caller", "begin"),
        function: Some("findings::held::idle::takes_with_a_limit"),
        related: &[(
            "held by this function now",
            declared("keeps_what_was_handed_up"),
        )],
        ..IDLE
    }
    .check(&only(found));
}

#[track(held_idle = "100ms")]
async fn half_read(pool: &TestPool) {
    let mut rows = sqlx::query(HUNDRED).fetch(&**pool); // @half read
    for _ in 0..3 {
        rows.try_next().await.unwrap().unwrap();
    }
    reported(pool.name(), Lint::HeldIdle, 1).await;
}

#[tokio::test]
async fn a_stalled_row_stream_reports_the_rows_read() {
    let pool = pool().await;
    let ((), found) = findings(half_read(&pool)).await;
    let found = only(found);
    Says {
        primary: marked("half read", "fetch"),
        function: Some("findings::held::idle::half_read"),
        title: &["holds a row stream of pool"],
        facts: &["read 3 rows, the last one"],
        help: &[".try_collect().await?"],
        ..IDLE
    }
    .check(&found);
    assert!(
        found.cause.contains("does not ask for the next"),
        "{}",
        found.cause
    );
}

#[track(held_idle = "100ms")]
async fn several_results(pool: &TestPool) {
    let mut tx = pool.begin().await.unwrap(); // @several results
    {
        let both = "INSERT INTO exam (name) VALUES ('a'); INSERT INTO exam (name) VALUES ('b')";
        let mut results = tx.fetch_many(sqlx::raw_sql(both)); // @results
        results.try_next().await.unwrap().unwrap();
        reported(pool.name(), Lint::HeldIdle, 1).await;
    }
    tx.rollback().await.unwrap();
}

#[tokio::test]
async fn a_stream_of_results_without_rows_can_stall_too() {
    let pool = pool().await;
    let ((), found) = findings(several_results(&pool)).await;
    Says {
        primary: marked("several results", "begin"),
        function: Some("findings::held::idle::several_results"),
        title: &["holds a row stream of pool"],
        related: &[("last used here", marked("results", "fetch_many"))],
        facts: &["read 0 rows"],
        ..IDLE
    }
    .check(&only(found));
}

/// Keeps a transaction in a field, out of all scopes.
struct Unit {
    _tx: Tx,
}

#[track(held_idle = "100ms")]
async fn open_unit(pool: &SqlitePool) -> Unit {
    Unit {
        _tx: pool.begin().await.unwrap(), // @unit
    }
}

#[tokio::test]
async fn a_handle_in_a_struct_that_no_scope_owns() {
    let pool = pool().await;
    let unit = open_unit(&pool).await;
    reported(pool.name(), Lint::HeldIdle, 1).await;
    let found = only(received(pool.name()));
    Says {
        primary: marked("unit", "begin"),
        function: Some("findings::held::idle::open_unit"),
        ..IDLE
    }
    .check(&found);
    assert!(
        found.notes[0].contains("belongs to no scope"),
        "{:?}",
        found.notes
    );
    drop(unit);
}

#[track(held_idle = "100ms")]
async fn untracked_taker(pool: &TestPool) {
    takes_elsewhere(pool).await;
}

async fn takes_elsewhere(pool: &TestPool) {
    let _conn = pool.acquire().await.unwrap(); // @elsewhere
    reported(pool.name(), Lint::HeldIdle, 1).await;
}

#[tokio::test]
async fn a_callee_without_the_attribute_has_its_callers_limit_and_its_own_line() {
    let pool = pool().await;
    let ((), found) = findings(untracked_taker(&pool)).await;
    Says {
        primary: marked("elsewhere", "acquire"),
        function: Some("findings::held::idle::untracked_taker"),
        ..IDLE
    }
    .check(&only(found));
}
