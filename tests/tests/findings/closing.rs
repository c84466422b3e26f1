//! `close_blocked`: a pool that is closing, and the handles that it waits for.

use std::sync::Arc;

use futures::FutureExt;
use sqlx::leash::testing::findings;
use sqlx::leash::{Certainty, Level, Lint};
use sqlx::postgres::{PgListener, PgPoolOptions};
use sqlx::track;
use tokio::sync::Notify;

use crate::common::{
    self, Says, TestPool, assert_none, connect, in_child_under, marked, only, pool, received,
    reported, silent, watched,
};

#[track(close_blocked = "100ms")]
async fn closes(pool: &TestPool) {
    pool.close().await; // @closes
}

#[track]
async fn keeps_until_reported(pool: &TestPool) {
    let _conn = pool.acquire().await.unwrap(); // @keeps
    reported(pool.name(), Lint::CloseBlocked, 1).await;
}

#[tokio::test]
async fn the_finding_lists_each_holder_and_handle() {
    let pool = pool().await;
    let ((), found) = findings(async {
        // The holder has its connection before the close begins.
        futures::join!(keeps_until_reported(&pool), closes(&pool));
    })
    .await;
    let found = only(found);
    Says {
        lint: Lint::CloseBlocked,
        level: Level::Warn,
        certainty: Certainty::Certain,
        primary: marked("closes", "close"),
        function: Some("findings::closing::closes"),
        title: &["has been closing for", "and waits for 1 handle"],
        related: &[(
            "findings::closing::keeps_until_reported holds 1 permit for",
            marked("keeps", "acquire"),
        )],
        facts: &["waited", "permits held 1 of 5"],
        help: &[
            "before `pool.close().await`",
            "pool.close_event().do_until(work).await",
        ],
    }
    .check(&found);
    assert_eq!(found.label, "waits here");
    assert_eq!(
        found.cause,
        "`close` waits until every permit is returned, and 1 is still held"
    );
}

#[track(close_blocked = "100ms")]
async fn closes_for_long(pool: &TestPool) {
    let close = pool.close();
    futures::join!(close, async {
        watched().await;
        watched().await;
    });
}

#[tokio::test]
async fn reported_once() {
    let pool = pool().await;
    let held = pool.acquire().await.unwrap();
    let ((), found) = findings(async {
        futures::join!(closes_for_long(&pool), async {
            reported(pool.name(), Lint::CloseBlocked, 1).await;
            watched().await;
            drop(held);
        });
    })
    .await;
    assert_eq!(only(found).lint, Lint::CloseBlocked);
}

#[tokio::test]
async fn a_connection_being_returned_may_be_in_a_hook() {
    let (begun, released) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let waits = (Arc::clone(&begun), Arc::clone(&released));
    let options = common::options(10).after_release(move |_, _| {
        let (begun, released) = waits.clone();
        Box::pin(async move {
            begun.notify_one();
            released.notified().await;
            Ok(true)
        })
    });
    let pool = connect(options).await;
    drop(pool.acquire().await.unwrap());
    begun.notified().await;
    let ((), found) = findings(async {
        futures::join!(closes(&pool), async {
            reported(pool.name(), Lint::CloseBlocked, 1).await;
            released.notify_one();
        });
    })
    .await;
    let found = only(found);
    assert_eq!(found.certainty, Certainty::Certain);
    assert_eq!(
        found.cause,
        "1 connection is being returned: your `after_release` hook may take long, or the server does not answer"
    );
}

// Cases without a finding.

#[tokio::test]
async fn a_pool_that_closes_in_time() {
    let pool = pool().await;
    sqlx::query("SELECT 1").execute(&*pool).await.unwrap();
    silent(closes(&pool)).await;
    watched().await;
    assert_none(&received(pool.name()));
}

#[track(close_blocked = "1h")]
async fn closes_patiently(pool: &TestPool) {
    pool.close().await;
}

#[track(
    allow(close_blocked, reason = "the test wants it"),
    close_blocked = "10ms"
)]
async fn closes_unjudged(pool: &TestPool) {
    pool.close().await;
}

#[tokio::test]
async fn within_the_limit_or_allowed() {
    for run in [0, 1] {
        let pool = pool().await;
        let held = pool.acquire().await.unwrap();
        let close = async {
            if run == 0 {
                closes_patiently(&pool).await;
            } else {
                closes_unjudged(&pool).await;
            }
        };
        silent(async {
            futures::join!(close, async {
                watched().await;
                drop(held);
            });
        })
        .await;
    }
}

#[track(close_blocked = "300ms")]
async fn gives_up_closing(pool: &TestPool) {
    assert!(pool.close().now_or_never().is_none());
    watched().await;
    watched().await;
}

#[tokio::test]
async fn a_close_that_was_cancelled_is_not_reported() {
    let pool = pool().await;
    let _held = pool.acquire().await.unwrap();
    silent(gives_up_closing(&pool)).await;
}

#[test]
fn limits_by_pool_and_environment() {
    #[track]
    async fn plain(pool: &TestPool) {
        let is_reported = async {
            reported("strict", Lint::CloseBlocked, 1).await;
            watched().await;
        };
        tokio::select! {
            () = pool.close() => unreachable!("a connection is held"),
            () = is_reported => {}
        }
    }
    let test = "closing::limits_by_pool_and_environment";
    let _ = in_child_under(test, "close_blocked[strict]=deny:100ms", |runtime| {
        runtime.block_on(async {
            let (other, strict) = (pool().await, common::pool_named(2, "strict").await);
            let _held = (
                other.acquire().await.unwrap(),
                strict.acquire().await.unwrap(),
            );
            let ((), found) = findings(async {
                futures::join!(plain(&other), plain(&strict));
            })
            .await;
            let found = only(found);
            assert_eq!(found.pool.as_deref(), Some("strict"));
            // Never a panic: the watchdog reports it.
            assert_eq!(found.level, Level::Deny);
        });
    });
}

#[tokio::test]
async fn a_listener_lets_its_pool_close() {
    let Some(db) = leash_test_support::postgres().await else {
        return;
    };
    let pool = PgPoolOptions::new().connect(db.url()).await.unwrap();
    let pool = TestPool::of(pool);
    let mut listener = PgListener::connect_with(&pool).await.unwrap();
    listener.listen("exam").await.unwrap();
    let listens = async move { while listener.recv().await.is_ok() {} };
    futures::join!(listens, closes_listening(&pool));
    watched().await;
    assert_none(&received(pool.name()));
}

#[track(close_blocked = "2s")]
async fn closes_listening(pool: &sqlx::PgPool) {
    pool.close().await;
}
