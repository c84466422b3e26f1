//! `assert_clean!`: every finding, of any certainty, in full.

use std::cell::Cell;
use std::future::pending;

use leash_tests::in_child;
use sqlx::leash::Lint;
use sqlx::leash::testing::{assert_clean, assert_queries, findings};
use sqlx::{SqlitePool, track};

use crate::common::{Place, marked, path_of, poll_until, pool};

use super::{names, refusal, seed};

/// Takes a second connection while it has one.
#[track]
async fn nests(pool: &SqlitePool, times: usize) -> sqlx::Result<()> {
    let _held = pool.acquire().await?; // @held
    for _ in 0..times {
        pool.acquire().await?; // @nested
    }
    Ok(())
}

#[track(slow_query = "1ns", allow(nested_acquire, reason = "as tested"))]
async fn slow(pool: &SqlitePool) -> sqlx::Result<()> {
    sqlx::query("SELECT 1").execute(pool).await?; // @slow
    Ok(())
}

#[tokio::test]
async fn every_finding_is_reported() {
    let pool = pool().await;
    let (message, place) = refusal(async {
        assert_clean!(async { (nests(&pool, 3).await, slow(&pool).await) }) // @clean
    })
    .await;
    assert_eq!(place, marked("clean", "assert_clean"));
    assert!(
        message.starts_with("expected no finding; their number is 4:\n\n"),
        "{message}"
    );
    for (place, reports) in [
        (marked("nested", "acquire"), 1),
        (marked("slow", "execute"), 1),
    ] {
        let Place { file, line, column } = place;
        let arrow = format!("--> {file}:{line}:{column}\n");
        assert_eq!(message.matches(&arrow).count(), reports, "{message}");
    }
    assert_eq!(message.matches("again: nested_acquire: ").count(), 2);
}

#[tokio::test]
async fn what_is_clean_passes() {
    let pool = pool().await;
    seed(&pool, 2).await;
    assert_eq!(assert_clean!(names(&pool)).unwrap().len(), 2);
    assert_clean!(nests(&pool, 0)).unwrap();
    let both = assert_clean!(async { assert_queries!(3, names(&pool)) });
    assert_eq!(both.unwrap().len(), 2);
}

/// A root is part of what a test looks at: nothing is reported past it.
#[tokio::test]
async fn roots_are_looked_at() {
    #[track(root)]
    async fn job(pool: &SqlitePool) -> sqlx::Result<()> {
        nests(pool, 1).await
    }
    let pool = pool().await;
    let (result, found) = findings(job(&pool)).await;
    result.unwrap();
    let found: Vec<_> = found.iter().map(|it| it.lint).collect();
    assert_eq!(found, [Lint::NestedAcquire]);
}

/// What was found before a panic says why it has panicked.
#[test]
fn findings_are_logged_where_nobody_takes_them() {
    let printed = in_child(
        &path_of("findings_are_logged_where_nobody_takes_them"),
        &[],
        |runtime| {
            runtime.block_on(async {
                let pool = pool().await;
                let (message, _) = refusal(async {
                    assert_clean!(async {
                        nests(&pool, 1).await.unwrap();
                        panic!("as tested");
                    })
                })
                .await;
                assert_eq!(message, "as tested");
                // Of a future that is dropped; and the test around it takes them.
                let is_sent = Cell::new(false);
                let dropped = async {
                    assert_clean!(async {
                        slow(&pool).await.unwrap();
                        is_sent.set(true);
                        pending::<()>().await;
                    });
                };
                let ((), found) = findings(poll_until(dropped, || is_sent.get())).await;
                assert_eq!(found.len(), 1, "{found:?}");
            });
        },
    );
    let reports = printed.err.matches("[nested_acquire]").count();
    assert_eq!(reports, 1, "{}", printed.err);
    assert!(!printed.err.contains("slow_query"), "{}", printed.err);
}
