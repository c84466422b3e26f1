//! The separate connect of the diagnosis: what it shows, and where it is not made.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use leash_tests::in_child;
use sqlx::leash::testing::findings;
use sqlx::leash::{Backend, Certainty, Lint, Verdict};
use sqlx::mysql::MySqlPoolOptions;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::SqliteConnectOptions;

use crate::common::{TestPool, assert_helps, none_of, options};

use super::{
    A_SECOND, assert_in_time, assert_verdict, postgres_at, silent_server, times_out, waits,
};

#[test]
fn no_connect_where_it_is_switched_off() {
    let variables = [("SQLX_LEASH", "connect_probe=off")];
    in_child(
        "timeout::connects::no_connect_where_it_is_switched_off",
        &variables,
        |runtime| {
            runtime.block_on(async {
                let (port, accepted) = silent_server();
                let began = Instant::now();
                let finding = times_out(&postgres_at(port), async {}).await;
                assert_in_time(began);
                assert_verdict(&finding, Verdict::Unknown, Certainty::Unknown);
                assert_eq!(accepted.load(Relaxed), 1);
            });
        },
    );
}

#[tokio::test]
async fn no_connect_for_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("exam.db");
    let (database, removed) = (file.clone(), file.clone());
    // A connection that never becomes ready. A further connect would create its file again.
    let pool = options(2)
        .acquire_timeout(A_SECOND)
        .after_connect(move |_, _| {
            std::fs::remove_file(&removed).unwrap();
            Box::pin(std::future::pending())
        })
        .connect_lazy_with(
            SqliteConnectOptions::new()
                .filename(database)
                .create_if_missing(true),
        );
    let finding = times_out(&TestPool::of(pool), async {}).await;
    assert_verdict(&finding, Verdict::Unknown, Certainty::Unknown);
    assert!(!file.exists(), "only sqlx connects");
}

/// Permits are free and the server answers, but no connection becomes ready.
#[tokio::test]
async fn a_hook_never_ends() {
    let Some(db) = leash_test_support::postgres().await else {
        return;
    };
    let pool = PgPoolOptions::new()
        .acquire_timeout(A_SECOND)
        .after_connect(|_, _| Box::pin(std::future::pending()))
        .connect_lazy(db.url())
        .unwrap();
    let finding = times_out(&TestPool::of(pool), async {}).await;
    assert_verdict(&finding, Verdict::Unknown, Certainty::Unknown);
    assert!(
        finding.cause.contains("a separate connect succeeded"),
        "{}",
        finding.cause
    );
    assert_helps(&finding, "`after_connect`");
}

async fn is_refused_by_name<DB: Backend>(pool: TestPool<DB>) {
    let (ended, found) = findings(Box::pin(waits(&pool))).await;
    assert!(matches!(ended, Err(sqlx::Error::Database(_))), "{ended:?}");
    none_of(Lint::PoolTimeout, &found);
    let stats = pool.stats();
    assert_eq!((stats.timeouts, stats.acquire_errors), (0, 1));
}

/// The URL with another user and password.
fn as_another_user(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    format!("{scheme}://nobody_we_know:wrong@{rest}")
}

#[tokio::test]
async fn a_wrong_password_is_no_timeout() {
    if let Some(db) = leash_test_support::postgres().await {
        let url = as_another_user(db.url());
        is_refused_by_name(TestPool::of(
            PgPoolOptions::new().connect_lazy(&url).unwrap(),
        ))
        .await;
    }
    if let Some(db) = leash_test_support::mysql().await {
        let url = as_another_user(db.url());
        is_refused_by_name(TestPool::of(
            MySqlPoolOptions::new().connect_lazy(&url).unwrap(),
        ))
        .await;
    }
}
