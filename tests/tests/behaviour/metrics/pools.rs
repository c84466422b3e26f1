//! Pools: connections, permits, acquires, holds.

use std::time::Duration;

use leash_tests::{in_memory, until};
use sqlx::SqlitePool;
use sqlx::leash::{self, HandleExt, PoolExt};
use sqlx::sqlite::SqlitePoolOptions;

use super::{of, scrape};

async fn pool(name: &str, connections: u32) -> SqlitePool {
    let options = SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_millis(50))
        .idle_timeout(None)
        .max_lifetime(None);
    let pool = options.connect("sqlite::memory:").await.unwrap();
    pool.named(name)
}

#[tokio::test]
async fn permits_by_state() {
    let pool = pool("metrics: permits", 3).await;
    let of_pool = of("metrics: permits");
    let idle = pool.acquire().await.unwrap();
    let tx = pool.begin().await.unwrap();
    let kept = pool.acquire().await.unwrap().long_lived("the test");
    let asks = pool.acquire();
    let asks = tokio::spawn(asks);
    until("one waits", || {
        scrape().get("db_client_connection_pending_requests", &[of_pool]) == Some(1.0)
    })
    .await;
    let now = scrape();
    let permits = |state| {
        now.get("sqlx_leash_permits", &[of_pool, ("state", state)])
            .unwrap()
    };
    let states = [
        "busy",
        "idle",
        "idle_in_transaction",
        "lent",
        "reserved",
        "returning",
        "unknown",
    ];
    assert_eq!(states.map(permits), [0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0]);
    let state = |state| ("db_client_connection_state", state);
    let count = |of| now.get("db_client_connection_count", &[of_pool, state(of)]);
    assert_eq!(["idle", "used"].map(count), [Some(0.0), Some(3.0)]);
    for (name, expected) in [("max", 3.0), ("idle_max", 3.0), ("idle_min", 0.0)] {
        let name = format!("db_client_connection_{name}");
        assert_eq!(now.get(&name, &[of_pool]), Some(expected), "{name}");
    }
    let waits = now
        .get("sqlx_leash_oldest_wait_seconds", &[of_pool])
        .unwrap();
    let holds = now
        .get("sqlx_leash_oldest_hold_seconds", &[of_pool])
        .unwrap();
    assert!(0.0 < waits && waits < holds, "{waits} s, {holds} s");
    asks.await.unwrap().unwrap_err();
    let now = scrape();
    assert_eq!(
        now.get("db_client_connection_timeouts_total", &[of_pool]),
        Some(1.0)
    );
    let ended = |outcome| {
        now.get(
            "sqlx_leash_acquires_total",
            &[of_pool, ("outcome", outcome)],
        )
    };
    let outcomes = ["granted", "timeout", "error", "abandoned"].map(ended);
    // The pool has acquired its first connection before it had its name.
    assert_eq!(outcomes, [Some(3.0), Some(1.0), Some(0.0), Some(0.0)]);
    drop((idle, tx, kept));
}

#[tokio::test]
async fn holds_and_connections_equal_the_snapshot() {
    let pool = pool("metrics: holds", 2).await;
    let of_pool = of("metrics: holds");
    for _ in 0..5 {
        let mut held = pool.acquire().await.unwrap();
        sqlx::query("SELECT 1").execute(&mut *held).await.unwrap();
    }
    let mut tx = pool.begin().await.unwrap();
    sqlx::query("SELECT 1").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    pool.acquire().await.unwrap().close().await.unwrap();
    let stats = || {
        let pools = leash::snapshot().pools;
        let mut pools = pools.into_iter();
        pools.rfind(|it| it.name == "metrics: holds").unwrap()
    };
    until("all are back", || {
        stats().holds.ended == 7 && stats().returning == 0
    })
    .await;
    let (now, stats) = (scrape(), stats());
    assert_eq!(stats.holds.time.count, stats.holds.ended);
    assert_eq!(
        stats.holds.time.total,
        stats.holds.busy + stats.holds.idle + stats.holds.lent
    );
    let use_time = "db_client_connection_use_time_seconds";
    assert_eq!(now.get(&format!("{use_time}_count"), &[of_pool]), Some(7.0));
    let near = |name: &str, labels: &[_], expected: Duration| {
        let value = now.get(name, labels).unwrap();
        assert!(
            (value - expected.as_secs_f64()).abs() < 1e-9,
            "{name}: {value}, {expected:?}"
        );
    };
    near(
        &format!("{use_time}_sum"),
        &[of_pool],
        stats.holds.time.total,
    );
    let hold = "sqlx_leash_hold_seconds_total";
    near(hold, &[of_pool, ("activity", "busy")], stats.holds.busy);
    near(hold, &[of_pool, ("activity", "idle")], stats.holds.idle);
    let wait = "db_client_connection_wait_time_seconds_count";
    assert_eq!(now.get(wait, &[of_pool]), Some(7.0));
    let control = "sqlx_leash_control_operations_total";
    let controls = |of| now.get(control, &[of_pool, ("operation", of)]);
    assert_eq!(
        ["begin", "commit", "rollback"].map(controls),
        [Some(1.0), Some(1.0), Some(0.0)]
    );
    let connections = stats.connections.unwrap();
    #[expect(clippy::cast_precision_loss, reason = "few connections")]
    let opened = connections.opened as f64;
    assert_eq!(
        now.get("sqlx_leash_connections_opened_total", &[of_pool]),
        Some(opened)
    );
    let closed = "sqlx_leash_connections_closed_total";
    assert_eq!(now.get(closed, &[of_pool, ("cause", "program")]), Some(1.0));
}

#[tokio::test]
async fn two_pools_of_one_name_are_two_series() {
    let first = in_memory().await.named("metrics: twins");
    let second = in_memory().await.named("metrics: twins");
    sqlx::query("SELECT 1").execute(&second).await.unwrap();
    let now = scrape();
    let count = "db_client_operation_duration_seconds_count";
    assert_eq!(now.get(count, &[of("metrics: twins")]), None);
    assert_eq!(now.get(count, &[of("metrics: twins #2")]), Some(1.0));
    let max = "db_client_connection_max";
    assert!(now.get(max, &[of("metrics: twins")]).is_some());
    drop((first, second));
    assert_eq!(scrape().get(max, &[of("metrics: twins")]), None);
}

#[tokio::test]
async fn a_name_is_written_as_it_is() {
    let name = "metrics: \\ \" \n } , = \u{1b}[0m é <img onerror> #2 \\n";
    let pool = in_memory().await.named(name);
    let max = scrape().get("db_client_connection_max", &[of(name)]);
    assert_eq!(max, Some(f64::from(pool.options().get_max_connections())));
}

#[tokio::test]
async fn a_pool_that_is_made_again_begins_at_zero() {
    let count = |of: &str| {
        let labels = [super::of(of), ("outcome", "granted")];
        scrape().get("sqlx_leash_acquires_total", &labels)
    };
    for _ in 0..2 {
        let pool = pool("metrics: again", 1).await;
        for _ in 0..2 {
            drop(pool.acquire().await.unwrap());
        }
        assert_eq!(count("metrics: again"), Some(2.0));
        drop(pool);
        assert_eq!(count("metrics: again"), None);
    }
}
