//! The connections that a pool has opened and closed: how many, why, for whom, and how long it took.

use leash_tests::{TestPool, until};
use sqlx::leash::{ClosedBy, ConnectionStats};
use sqlx::sqlite::SqlitePoolOptions;

mod causes;
mod hooks;
mod opened;

/// Options without a limit on a connection's life: the in-memory database stays.
fn options(max_connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(max_connections)
        .idle_timeout(None)
        .max_lifetime(None)
}

async fn pool(options: SqlitePoolOptions) -> TestPool {
    TestPool::new(options.connect("sqlite::memory:").await.unwrap(), ())
}

fn connections(pool: &TestPool) -> ConnectionStats {
    pool.stats().connections.expect("they are counted")
}

/// Waits until the pool has opened and closed that many.
async fn has(pool: &TestPool, opened: u64, closed: u64) {
    until(format!("{opened} opened, {closed} closed"), || {
        let now = connections(pool);
        assert_eq!(now.opened, now.open + now.closed);
        assert_eq!(now.closed, now.closed_by.total());
        (now.opened, now.closed) == (opened, closed)
    })
    .await;
}

/// The causes that are not zero.
fn causes(by: ClosedBy) -> Vec<(&'static str, u64)> {
    let mut causes = vec![
        ("program", by.program),
        ("hook", by.hook),
        ("cancelled", by.cancelled),
        ("acquire_over", by.acquire_over),
        ("max_lifetime", by.max_lifetime),
        ("idle_timeout", by.idle_timeout),
        ("elsewhere", by.elsewhere),
    ];
    causes.retain(|(_, number)| *number > 0);
    causes
}

/// Waits until that many are closed, and asserts why.
async fn closed(pool: &TestPool, expected: &[(&'static str, u64)]) {
    let total: u64 = expected.iter().map(|(_, number)| number).sum();
    until(format!("{expected:?}"), || {
        connections(pool).closed >= total
    })
    .await;
    assert_eq!(causes(connections(pool).closed_by), expected);
}
