//! The sources of the limit.

use std::time::Duration;

use sqlx::leash::Lint;
use sqlx::leash::testing::findings;
use sqlx::track;

use crate::common::{self, TestPool, assert_none, in_child_under, only, pool};

#[test]
fn limits_by_pool_environment_and_code() {
    #[track]
    async fn plain(pool: &TestPool) -> Duration {
        let sum = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) SELECT sum(i) FROM n";
        let begun = std::time::Instant::now();
        sqlx::query(sum).execute(&**pool).await.unwrap();
        begun.elapsed()
    }
    let test = "slow::levels::limits_by_pool_environment_and_code";
    let _ = in_child_under(
        test,
        "slow_query[strict]=2ms,slow_query[off]=allow",
        |runtime| {
            sqlx::leash::Config::new()
                .limit(Lint::SlowQuery, Duration::from_millis(1))
                .limit(Lint::SlowQuery, Duration::from_hours(1))
                .install();
            runtime.block_on(async {
                let (other, strict, off) = (
                    pool().await,
                    common::pool_named(1, "strict").await,
                    common::pool_named(1, "off").await,
                );
                let (_, found) = findings(plain(&other)).await;
                assert_none(&found);
                let (_, found) = findings(plain(&strict)).await;
                assert!(only(found).title.ends_with("the limit is 2.00 ms"));
                "slow_query=1ms"
                    .parse::<sqlx::leash::Config>()
                    .unwrap()
                    .install();
                let (_, found) = findings(plain(&off)).await;
                assert_none(&found);
                let (_, found) = findings(plain(&other)).await;
                assert!(only(found).title.ends_with("the limit is 1.00 ms"));
            });
        },
    );
}
