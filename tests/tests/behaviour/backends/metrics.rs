//! What Prometheus is told of statements, while they run and afterwards.

#![allow(clippy::float_cmp, reason = "the values are whole numbers")]

use futures::future::join_all;
use leash_tests::Scrape;
use sqlx::{leash, track};

use super::{Db, pool_of};
use crate::common::HUNDRED;

type Pool = sqlx::Pool<Db>;

const TASKS: u32 = 8;
const ROUNDS: u32 = 5;

#[track]
async fn work(pool: &Pool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    sqlx::query("INSERT INTO exam (name) VALUES ('x')")
        .execute(&mut *tx)
        .await?;
    sqlx::query(HUNDRED).fetch_all(&mut *tx).await?;
    tx.commit().await?;
    let refused = sqlx::query("DELETE FROM no_such_table").execute(pool).await;
    refused.unwrap_err();
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_statement_counts_once_and_no_counter_falls() {
    let Some(pool) = pool_of(3).await else { return };
    let stats = pool.stats();
    let of_pool = ("db_client_connection_pool_name", &*stats.label);
    let of = |operation| {
        [
            of_pool,
            ("db_system_name", &*stats.system),
            ("db_operation_name", operation),
        ]
    };
    let tasks = (0..TASKS).map(|_| async {
        let mut last = 0.0;
        for _ in 0..ROUNDS {
            work(&pool).await.unwrap();
            let scrape = Scrape::of(&leash::prometheus());
            let now = scrape.sum("db_client_operation_duration_seconds_count", &[of_pool]);
            assert!(last < now, "{last} statements, then {now}");
            last = now;
        }
    });
    join_all(tasks).await;
    let now = Scrape::of(&leash::prometheus());
    let rounds = f64::from(TASKS * ROUNDS);
    let rows = "db_client_response_returned_rows";
    let times = "db_client_operation_duration_seconds";
    for name in [rows, times] {
        let count = format!("{name}_count");
        assert_eq!(now.get(&count, &of("INSERT")), Some(rounds), "{name}");
        assert_eq!(now.get(&count, &of("SELECT")), Some(rounds), "{name}");
        assert_eq!(now.get(&count, &of("DELETE")), Some(rounds), "{name}");
    }
    let [pool, system, operation] = of("DELETE");
    let failed = [pool, system, operation, ("error_type", "_OTHER")];
    assert_eq!(now.get(&format!("{times}_count"), &failed), Some(rounds));
    assert_eq!(
        now.get(&format!("{rows}_sum"), &of("SELECT")),
        Some(100.0 * rounds)
    );
    let [pool, system, operation] = of("SELECT");
    let bucket = |bound| {
        now.get(
            &format!("{rows}_bucket"),
            &[pool, system, operation, ("le", bound)],
        )
    };
    assert_eq!(["50", "100"].map(bucket), [Some(0.0), Some(rounds)]);
    assert_eq!(
        now.get(
            "sqlx_leash_control_operations_total",
            &[of_pool, ("operation", "commit")]
        ),
        Some(rounds)
    );
}
