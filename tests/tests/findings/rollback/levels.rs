//! Allowed and denied.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use sqlx::leash::Level;
use sqlx::leash::testing::findings;
use sqlx::{SqlitePool, track};

use crate::common::{self, assert_none, declared, in_child_under, only, pool};

use super::INSERT;
use super::certain::forgets_commit;

#[track(allow(implicit_rollback, reason = "the test wants it"))]
async fn allowed(pool: &SqlitePool) {
    let mut tx = pool.begin().await.unwrap();
    sqlx::query(INSERT).execute(&mut *tx).await.unwrap();
}

#[tokio::test]
async fn allowed_by_attribute() {
    let pool = pool().await;
    let ((), found) = findings(allowed(&pool)).await;
    assert_none(&found);
}

#[test]
fn allowed_by_pool_in_the_environment() {
    let test = "rollback::levels::allowed_by_pool_in_the_environment";
    let _ = in_child_under(
        test,
        "implicit_rollback=deny,implicit_rollback[scratch]=allow",
        |runtime| {
            runtime.block_on(async {
                let scratch = common::pool_named(2, "scratch").await;
                let (_, found) = findings(forgets_commit(&scratch)).await;
                assert_none(&found);
                let other = pool().await;
                let (_, found) = findings(forgets_commit(&other)).await;
                assert_eq!(only(found).level, Level::Deny);
            });
        },
    );
}

#[track(deny(implicit_rollback))]
async fn denied(pool: &SqlitePool) {
    let mut tx = pool.begin().await.unwrap(); // @denied
    sqlx::query(INSERT).execute(&mut *tx).await.unwrap();
}

#[track(deny(implicit_rollback))]
async fn denied_in_a_block(pool: &SqlitePool) {
    async {
        let mut tx = pool.begin().await.unwrap();
        sqlx::query(INSERT).execute(&mut *tx).await.unwrap();
    }
    .await;
}

#[test]
fn at_deny_the_function_panics_at_its_name() {
    let test = "rollback::levels::at_deny_the_function_panics_at_its_name";
    let printed = in_child_under(test, "", |runtime| {
        runtime.block_on(async {
            let pool = pool().await;
            // A finding that is only likely never panics.
            denied_in_a_block(&pool).await;
            let caught = AssertUnwindSafe(denied(&pool)).catch_unwind().await;
            assert_eq!(caught.is_err(), cfg!(debug_assertions));
            assert!(pool.handles().is_empty(), "the connection was returned");
        });
    });
    if cfg!(debug_assertions) {
        let place = declared("denied");
        let at = format!(
            "panicked at {}:{}:{}:",
            place.file, place.line, place.column
        );
        assert!(printed.contains(&at), "no `{at}` in:\n{printed}");
        assert_eq!(printed.matches("panicked at").count(), 1, "{printed}");
    }
}
