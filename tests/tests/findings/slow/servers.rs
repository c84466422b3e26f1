//! On PostgreSQL: rows that come slowly.

use std::time::Duration;

use futures::TryStreamExt;
use sqlx::leash::testing::findings;
use sqlx::leash::{Activity, Lint};
use sqlx::postgres::PgPoolOptions;
use sqlx::{Postgres, track};

use crate::common::{TestPool, marked, only, reported};

use super::says;

#[track(slow_query = "500ms")]
async fn rows_that_take_their_time(pool: &TestPool<Postgres>) {
    let mut rows = sqlx::query(
        "SELECT repeat('x', 100000) FROM generate_series(1, 3)
         UNION ALL SELECT pg_sleep(2)::text FROM generate_series(1, 1)",
    )
    .fetch(&**pool); // @slow rows
    rows.try_next().await.unwrap().unwrap();
    // The consumer's pause is not counted.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let rest = async { while rows.try_next().await.unwrap().is_some() {} };
    let before_its_end = async {
        reported(pool.name(), Lint::SlowQuery, 1).await;
        let handles = pool.handles();
        assert!(
            handles
                .iter()
                .any(|handle| handle.activity == Activity::Streaming)
        );
    };
    futures::join!(rest, before_its_end);
}

#[tokio::test]
async fn a_stream_that_waits_for_the_database_after_some_rows() {
    let Some(db) = leash_test_support::postgres().await else {
        return;
    };
    let pool = PgPoolOptions::new().connect(db.url()).await.unwrap();
    let pool = TestPool::of(pool);
    let ((), found) = findings(rows_that_take_their_time(&pool)).await;
    says(
        marked("slow rows", "fetch"),
        "findings::slow::servers::rows_that_take_their_time",
    )
    .check(&only(found));
}
