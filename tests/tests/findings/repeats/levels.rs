//! Levels and limits: of the function that sends the query, of the one that repeats it, and of the environment.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;

use super::*;
use crate::common::{assert_none, in_child_under, note_panics, panics_at, path_of};

const BY_ID: &str = "SELECT name FROM exam WHERE id = ?";

#[track(deny(n_plus_one, reason = "a test"))]
async fn denied(pool: &SqlitePool, id: i64) -> sqlx::Result<()> {
    let query = sqlx::query(BY_ID).bind(id);
    query.fetch_all(pool).await?; // @denied
    Ok(())
}

#[track]
async fn repeats_denied(pool: &SqlitePool) -> sqlx::Result<()> {
    for id in 0..12 {
        denied(pool, id).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_denied_one_panics_at_the_query() {
    note_panics();
    let pool = exams(1).await;
    let panicked = AssertUnwindSafe(repeats_denied(&pool))
        .catch_unwind()
        .await
        .is_err();
    assert_eq!(panicked, cfg!(debug_assertions));
    let panics = panics_at(&marked("denied", "fetch_all"));
    assert_eq!(panics.len(), usize::from(panicked), "{panics:?}");
    assert!(
        panics
            .iter()
            .all(|message| message.contains("error[n_plus_one]")),
        "{panics:?}"
    );
}

#[track(allow(n_plus_one, reason = "a test"))]
async fn allowed_at_the_loop(pool: &SqlitePool) -> sqlx::Result<()> {
    for id in 0..12 {
        lookup(pool, id).await?;
    }
    Ok(())
}

#[track(allow(n_plus_one, reason = "a test"))]
async fn allowed_at_the_query(pool: &SqlitePool, id: i64) -> sqlx::Result<()> {
    let query = sqlx::query(BY_ID).bind(id);
    query.fetch_all(pool).await?;
    Ok(())
}

#[track(n_plus_one = 20)]
async fn with_a_higher_limit(pool: &SqlitePool, ids: i64) -> sqlx::Result<()> {
    for id in 0..ids {
        lookup(pool, id).await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_attribute_counts_at_the_loop_and_at_the_query() {
    #[track]
    async fn repeats(pool: &SqlitePool) -> sqlx::Result<()> {
        for id in 0..12 {
            allowed_at_the_query(pool, id).await?;
        }
        Ok(())
    }
    let pool = exams(1).await;
    let (_, found) = findings(allowed_at_the_loop(&pool)).await;
    assert_none(&found);
    let (_, found) = findings(repeats(&pool)).await;
    assert_none(&found);
    let (_, found) = findings(with_a_higher_limit(&pool, 19)).await;
    assert_none(&found);
    let (_, found) = findings(with_a_higher_limit(&pool, 20)).await;
    check(found, Lint::NPlusOne, Certain, &at_lookup());
}

#[track]
async fn three(pool: &SqlitePool) -> sqlx::Result<()> {
    for id in 0..3 {
        lookup(pool, id).await?;
    }
    Ok(())
}

#[track]
async fn twice_the_same(pool: &SqlitePool) -> sqlx::Result<()> {
    for _ in 0..2 {
        lookup(pool, 1).await?;
    }
    Ok(())
}

#[test]
fn the_environment_sets_lower_limits_for_tests() {
    let test = &path_of("the_environment_sets_lower_limits_for_tests");
    let _ = in_child_under(test, "n_plus_one=3,redundant_query=2", |runtime| {
        runtime.block_on(async {
            let pool = exams(1).await;
            let (_, found) = findings(three(&pool)).await;
            check(found, Lint::NPlusOne, Certain, &at_lookup());
            let (_, found) = findings(twice_the_same(&pool)).await;
            check(found, Lint::RedundantQuery, Likely, &at_lookup());
        });
    });
}

#[test]
fn nothing_is_said_where_all_is_switched_off() {
    let test = &path_of("nothing_is_said_where_all_is_switched_off");
    let err = in_child_under(test, "off", |runtime| {
        runtime.block_on(async {
            let pool = exams(1).await;
            repeats_denied(&pool).await.unwrap();
        });
    });
    assert!(!err.contains("n_plus_one"), "{err}");
}
