//! `pool_pressure` of permits that are held without use.

use std::time::Duration;

use futures::future::join_all;
use sqlx::leash::testing::findings;
use sqlx::leash::{Finding, HandleExt, Lint};
use sqlx::{SqlitePool, track};

use crate::common::{Gate, TestPool, assert_helps, only_of, pool_of, received, reported, said};

#[track(allow(nested_acquire, reason = "the test wants it"))]
async fn keeps_both_idle(pool: &TestPool) {
    for _ in 0..3 {
        sqlx::query("SELECT 1").execute(&**pool).await.unwrap();
    }
    let _one = pool.acquire().await.unwrap();
    let _two = pool.acquire().await.unwrap();
    reported(pool.name(), Lint::PoolPressure, 1).await;
}

/// The holds that have ended were statements, busy all the time. Those that run are idle, and count.
#[tokio::test]
async fn holds_that_still_run_count() {
    let pool = pool_of(2).await;
    let ((), found) = findings(keeps_both_idle(&pool)).await;
    let finding = only_of(Lint::PoolPressure, &found);
    assert_eq!(said(finding, "of that with the database"), "0 %");
    assert_eq!(said(finding, "idle in hand"), "100 %");
    assert_advises(finding, "100 % was idle in hand");
    assert_helps(finding, "release them before slow work");
}

/// The first help is to hold connections for less time, and says what that time was spent on.
#[track_caller]
fn assert_advises(finding: &Finding, spent: &str) {
    let first = &finding.help[0];
    assert!(
        first.starts_with("hold connections for less time: of the time held in the last "),
        "{first}"
    );
    assert!(first.contains(spent), "{first}");
}

const LONG: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) SELECT max(i) FROM n";

#[track]
async fn works(pool: &TestPool) {
    let mut conn = pool.acquire().await.unwrap();
    loop {
        sqlx::query(LONG).execute(&mut *conn).await.unwrap();
    }
}

/// Near miss: the holds that run are with the database nearly all the time.
#[tokio::test]
async fn busy_holds_that_still_run_count() {
    let pool = pool_of(2).await;
    let run = async {
        tokio::select! {
            ((), ()) = async { futures::join!(works(&pool), works(&pool)) } => unreachable!("they do not end"),
            () = reported(pool.name(), Lint::PoolPressure, 1) => {}
        }
    };
    let ((), found) = findings(Box::pin(run)).await;
    let finding = only_of(Lint::PoolPressure, &found);
    let share = said(finding, "of that with the database");
    let percent: u64 = share.strip_suffix(" %").unwrap().parse().unwrap();
    assert!(percent >= 50, "{}", finding.render());
    assert_advises(finding, "was with the database");
    assert_helps(finding, "make the slowest statements");
}

async fn blocked(pool: &SqlitePool) {
    let statement = sqlx::query("INSERT INTO exam (name) VALUES ('a')");
    statement.execute(pool).await.unwrap();
}

/// Near miss: most of the time held so far was idle, but none since the pool is under pressure.
#[tokio::test]
async fn what_was_before_the_pressure_does_not_count() {
    let mut gate = Gate::of(10).await;
    let mut idle = Vec::new();
    // Below the limit of 90 %, and together for longer than ten permits are held until the report.
    for _ in 0..8 {
        idle.push(gate.pool.acquire().await.unwrap());
    }
    tokio::time::sleep(Duration::from_secs(6)).await;
    drop(idle);
    let pool = gate.pool.clone();
    let run = async {
        futures::join!(join_all((0..10).map(|_| blocked(&pool))), async {
            reported(gate.pool.name(), Lint::PoolPressure, 1).await;
            gate.open().await;
        })
    };
    let (_, found) = findings(Box::pin(run)).await;
    let finding = only_of(Lint::PoolPressure, &found);
    assert_advises(finding, "100 % was with the database");
}

/// What is meant to be held idle is not told to be held for less time.
#[tokio::test]
async fn what_is_meant_to_live_long_wants_a_pool_of_its_own() {
    let pool = pool_of(2).await;
    let one = pool.acquire().await.unwrap().long_lived("it listens");
    let two = pool.acquire().await.unwrap().long_lived("it listens");
    reported(pool.name(), Lint::PoolPressure, 1).await;
    let found = received(pool.name());
    let finding = only_of(Lint::PoolPressure, &found);
    assert!(
        finding.help[0].starts_with("give what is meant to live long a pool of its own"),
        "{}",
        finding.render()
    );
    drop((one, two));
}
