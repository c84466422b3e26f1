//! The doctor asks beside the pool, takes no longer than it says, and leaves no trace in the tracker.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use leash_tests::{Fate, Proxy, support};
use sqlx::leash::{self, CheckVerdict};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::SqlitePoolOptions;

use super::{ok, unknown};
use crate::common::pool_of;

#[tokio::test]
async fn a_dry_and_a_closed_pool() {
    let pool = pool_of(1).await;
    let held = pool.acquire().await.unwrap();
    let diagnosis = leash::doctor(&pool).await;
    ok(&diagnosis, "busy_timeout");
    assert_eq!(pool.stats().waiting, 0);
    drop(held);
    pool.close().await;
    ok(&leash::doctor(&pool).await, "connect");
}

#[tokio::test]
async fn no_statement_and_no_finding() {
    let pool = pool_of(2).await;
    let before = leash::snapshot();
    let (diagnosis, found) = leash::testing::findings(leash::doctor(&pool)).await;
    assert_eq!(found.len(), 0, "{found:?}");
    assert!(!diagnosis.checks.is_empty());
    let (_, count) = leash::testing::counting(leash::doctor(&pool)).await;
    assert_eq!(count, 0);
    let added = leash::snapshot().since(&before);
    let asked = added.sites.iter().find(|site| site.sql.contains("pragma_"));
    assert!(asked.is_none(), "{asked:?}");
    let (now, before) = (
        pool.stats(),
        before
            .pools
            .into_iter()
            .find(|it| it.name == pool.name())
            .unwrap(),
    );
    assert_eq!(
        (now.acquired, now.size, now.handles, now.control),
        (before.acquired, before.size, before.handles, before.control)
    );
}

#[tokio::test]
async fn a_server_that_is_not_there() {
    // Nobody listens there any more.
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("postgres://exam@{address}/exam");
    let pool = PgPoolOptions::new().connect_lazy(&url).unwrap();
    let diagnosis = leash::doctor(&pool).await;
    assert_eq!(diagnosis.server, None);
    assert!(
        diagnosis
            .to_string()
            .contains("on postgresql, not reached in"),
        "{diagnosis}"
    );
    let text = &unknown(&diagnosis, "idle_timeout").text;
    assert!(text.contains("Connection refused"), "{text}");
    assert_eq!(
        diagnosis.verdict(),
        Some(CheckVerdict::Unknown),
        "{diagnosis}"
    );
}

#[tokio::test]
async fn a_server_that_is_silent() {
    let Some(db) = support::postgres().await else {
        return;
    };
    let options: PgConnectOptions = db.url().parse().unwrap();
    let proxy = Proxy::to(options.get_host(), options.get_port());
    proxy.meets_new_ones_with(Fate::Swallowed);
    let pool = PgPoolOptions::new()
        .acquire_timeout(Duration::from_secs(1))
        .connect_lazy_with(options.port(proxy.address.port()));
    let began = Instant::now();
    let diagnosis = leash::doctor(&pool).await;
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
    let text = &unknown(&diagnosis, "connect").text;
    assert!(text.contains("no connection within 1.00 s"), "{text}");
    assert!(
        unknown(&diagnosis, "max_connections")
            .text
            .contains("no connection within")
    );
}

#[tokio::test]
async fn a_hook_does_not_run() {
    let options = SqlitePoolOptions::new();
    let hooked = options.clone().after_connect(|_, _| panic!("it runs"));
    let pool = hooked.connect_lazy("sqlite::memory:").unwrap();
    let diagnosis = leash::doctor(&pool).await;
    assert!(
        diagnosis.notes[0].starts_with("`after_connect` is set"),
        "{diagnosis}"
    );
    let pool = options.connect_lazy("sqlite::memory:").unwrap();
    assert_eq!(leash::doctor(&pool).await.notes, [""; 0]);
    // sqlx does not show the hooks of its own options.
    let plain = plain_sqlx::sqlite::SqlitePoolOptions::new();
    let pool = SqlitePoolOptions::from(plain)
        .connect_lazy("sqlite::memory:")
        .unwrap();
    let diagnosis = leash::doctor(&pool).await;
    assert!(diagnosis.notes[0].contains("plain sqlx's"), "{diagnosis}");
}

#[tokio::test]
async fn it_can_be_spawned_and_stored() {
    let pool = SqlitePoolOptions::new()
        .connect_lazy("sqlite::memory:")
        .unwrap();
    let doctor = leash::doctor(&pool);
    drop(pool);
    let diagnosis = tokio::spawn(doctor).await.unwrap();
    let text = diagnosis.to_string();
    assert!(text.contains("journal_mode"), "{text}");
}
