//! A handle that a callee returned, or that was passed on.

use sqlx::leash::{Certainty, Lint};
use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqlitePool, track};

use crate::common::{assert_certainty, assert_none, bare_pool_of, only_of};

use super::found::takes;
use super::{Result, found};

#[track]
async fn holds_in_a_variable_that_moves(pool: &SqlitePool) -> Result {
    let conn = pool.acquire().await?;
    let kept = Some(conn);
    takes(pool).await?;
    drop(kept);
    Ok(())
}

#[track]
async fn hands_out(pool: &SqlitePool) -> sqlx::Result<PoolConnection<Sqlite>> {
    pool.acquire().await
}

#[track]
async fn holds_what_it_was_handed(pool: &SqlitePool) -> Result {
    let conn = hands_out(pool).await?;
    takes(pool).await?;
    drop(conn);
    Ok(())
}

#[tokio::test]
async fn a_handle_that_was_passed_on_is_likely() {
    let pool = bare_pool_of(5).await;
    let found = found(holds_in_a_variable_that_moves(&pool)).await;
    assert_certainty(only_of(Lint::NestedAcquire, &found), Certainty::Likely);
}

#[tokio::test]
async fn a_handle_from_a_callee_is_held_by_its_caller() {
    let pool = bare_pool_of(5).await;
    let found = found(holds_what_it_was_handed(&pool)).await;
    assert_certainty(only_of(Lint::NestedAcquire, &found), Certainty::Certain);
}

#[track]
async fn hands_on_what_it_was_handed(pool: &SqlitePool) -> Result {
    let (queue, mut queued) = tokio::sync::mpsc::channel(2);
    for _ in 0..2 {
        let conn = hands_out(pool).await?;
        queue.send(conn).await.expect("the queue is open");
    }
    drop(queued.recv().await);
    drop(queued.recv().await);
    Ok(())
}

#[tokio::test]
async fn a_handle_sent_on_belongs_to_no_scope() {
    let pool = bare_pool_of(5).await;
    assert_none(&found(hands_on_what_it_was_handed(&pool)).await);
}
