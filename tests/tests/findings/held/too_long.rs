//! `held_too_long`: a handle that is held, busy or not.

use sqlx::leash::Lint;
use sqlx::leash::testing::findings;
use sqlx::{Executor, SqlitePool, track};

use crate::common::{
    self, Gate, Says, TestPool, Tx, in_child_under, marked, only, pool, received, reported, watched,
};

use super::IDLE;

#[track]
async fn takes(pool: &SqlitePool) -> Tx {
    pool.begin().await.unwrap() // @handed up
}

#[track(held_too_long = "100ms")]
async fn busy_for_long(pool: &TestPool) {
    let mut conn = pool.acquire().await.unwrap(); // @busy for long
    common::until("it is reported", || {
        received(pool.name())
            .iter()
            .any(|found| found.lint == Lint::HeldTooLong)
    })
    .await;
    conn.execute("SELECT 1").await.unwrap();
    watched().await;
}

#[tokio::test]
async fn a_set_limit_is_kept_busy_or_not_and_reported_once() {
    let pool = pool().await;
    let ((), found) = findings(busy_for_long(&pool)).await;
    Says {
        lint: Lint::HeldTooLong,
        primary: marked("busy for long", "acquire"),
        function: Some("findings::held::too_long::busy_for_long"),
        title: &["has held a connection of pool", "; the limit is 100 ms"],
        facts: &["held for", "after 0 statements", "holds 1 of 5 permits"],
        help: &[
            "hold it for less time: it was idle in hand for ",
            ", 100 % of the time held; acquire it after the slow work",
            "#[track(held_too_long = \"60s\")]",
        ],
        ..IDLE
    }
    .check(&only(found));
}

#[track(held_too_long = "50ms")]
async fn statement_for_too_long(gate: &SqlitePool) {
    let mut conn = gate.acquire().await.unwrap();
    sqlx::query("INSERT INTO exam (name) VALUES ('a')")
        .execute(&mut *conn)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_busy_handle_can_be_held_too_long() {
    let mut gate = Gate::closed().await;
    let pool = gate.pool.clone();
    let ((), found) = findings(async {
        futures::join!(statement_for_too_long(&pool), async {
            reported(gate.pool.name(), Lint::HeldTooLong, 1).await;
            gate.open().await;
        });
    })
    .await;
    let found = found.iter().find(|found| found.lint == Lint::HeldTooLong);
    let found = found.unwrap();
    let first = &found.help[0];
    assert!(first.starts_with("split the work"), "{first}");
    let facts: Vec<_> = found.facts.iter().map(ToString::to_string).collect();
    assert!(
        facts.iter().any(|fact| fact == "now running a statement"),
        "{facts:?}"
    );
}

#[test]
fn held_too_long_is_allowed_until_a_limit_is_set() {
    #[track]
    async fn holds(pool: &TestPool) {
        let mut conn = pool.acquire().await.unwrap();
        watched().await;
        conn.execute("SELECT 1").await.unwrap();
    }
    let test = "held::too_long::held_too_long_is_allowed_until_a_limit_is_set";
    let _ = in_child_under(test, "held_too_long[strict]=20ms", |runtime| {
        runtime.block_on(async {
            let (other, strict) = (pool().await, common::pool_named(2, "strict").await);
            let ((), found) = findings(holds(&other)).await;
            common::assert_none(&found);
            let ((), found) = findings(holds(&strict)).await;
            assert_eq!(only(found).lint, Lint::HeldTooLong);
        });
    });
}

#[tokio::test]
async fn a_taker_without_a_limit_is_silent() {
    let pool = pool().await;
    let tx = takes(&pool).await;
    watched().await;
    assert!(received(pool.name()).is_empty());
    drop(tx);
}
