//! `pool_pressure` of permits that are held without use.

use sqlx::leash::Lint;
use sqlx::leash::testing::findings;
use sqlx::track;

use crate::common::{TestPool, only_of, pool_of, reported, said};

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
}
