//! One pool: every holder awaits an acquire itself.

use futures::{FutureExt, TryStreamExt};
use sqlx::leash::Certainty;
use sqlx::{SqlitePool, track};

use crate::common::{
    assert_certainty, assert_helps, assert_primary, bare_pool_of, declared, marked, related,
};

use super::{
    Meeting, Result, check_of_size, found_among, holds_for_callee, of_size, place_of, takes,
};

#[tokio::test]
async fn a_pool_of_one() {
    check_of_size(&of_size(&bare_pool_of(1).await, 1).await, 1);
}

#[tokio::test]
async fn a_pool_of_two() {
    check_of_size(&of_size(&bare_pool_of(2).await, 2).await, 2);
}

#[tokio::test]
async fn a_pool_of_five() {
    check_of_size(&of_size(&bare_pool_of(5).await, 5).await, 5);
}

#[tokio::test]
async fn a_pool_of_twenty() {
    check_of_size(&of_size(&bare_pool_of(20).await, 20).await, 20);
}

#[track]
async fn holds_for_the_callee_of_a_callee(pool: &SqlitePool, meeting: &Meeting) -> Result {
    let tx = pool.begin().await?; // @callees first
    meeting.all_here().await;
    passes_on(pool).await?;
    tx.commit().await
}

#[track]
async fn passes_on(pool: &SqlitePool) -> Result {
    takes(pool).await
}

#[tokio::test]
async fn a_callee_takes_while_its_caller_holds() {
    let pool = bare_pool_of(2).await;
    let meeting = Meeting::of(2);
    let tasks = (0..2).map(|_| holds_for_callee(&pool, &meeting).boxed());
    let (finding, _) = found_among(&pool, &meeting, tasks.collect()).await;
    assert_primary(&finding, &place_of("takes", "execute"), "deadlock::takes");
    assert_certainty(&finding, Certainty::Certain);
    let holder = related(&finding, &place_of("callee first", "begin"));
    assert_eq!(
        holder.site.function.as_deref(),
        Some("findings::deadlock::holds_for_callee")
    );
    assert_helps(
        &finding,
        "let findings::deadlock::takes take the connection as a parameter, `conn: &mut leash::Conn<'_, Sqlite>`",
    );
    assert_helps(&finding, "tx.commit().await?");
}

#[tokio::test]
async fn the_callee_of_a_callee_takes() {
    let pool = bare_pool_of(1).await;
    let meeting = Meeting::of(1);
    let tasks = vec![holds_for_the_callee_of_a_callee(&pool, &meeting).boxed()];
    let (finding, _) = found_among(&pool, &meeting, tasks).await;
    assert_primary(&finding, &place_of("takes", "execute"), "deadlock::takes");
    assert_certainty(&finding, Certainty::Certain);
    related(&finding, &marked("callees first", "begin"));
    let way = related(&finding, &declared("passes_on"));
    assert_eq!(way.label, "called through here");
}

#[track]
async fn queries_for_each_row(pool: &SqlitePool, meeting: &Meeting) -> Result {
    let mut rows = sqlx::query("SELECT 1 UNION SELECT 2").fetch(pool); // @stream
    while let Some(_row) = rows.try_next().await? {
        meeting.all_here().await;
        sqlx::query("SELECT 3").fetch_all(pool).await?; // @row
    }
    Ok(())
}

#[track]
async fn queries_in_a_closure_for_each_row(pool: &SqlitePool, meeting: &Meeting) -> Result {
    sqlx::query("SELECT 1 UNION SELECT 2")
        .fetch(pool) // @stream of closure
        .try_for_each(|_row| async {
            meeting.all_here().await;
            sqlx::query("SELECT 3").fetch_all(pool).await?; // @row of closure
            Ok(())
        })
        .await
}

#[tokio::test]
async fn a_stream_is_open_while_its_consumer_queries_the_pool() {
    let pool = bare_pool_of(1).await;
    let meeting = Meeting::of(1);
    let tasks = vec![queries_for_each_row(&pool, &meeting).boxed()];
    let (finding, _) = found_among(&pool, &meeting, tasks).await;
    assert_primary(
        &finding,
        &marked("row", "fetch_all"),
        "deadlock::certain::queries_for_each_row",
    );
    assert_certainty(&finding, Certainty::Likely);
    assert!(finding.cause.contains("row stream"), "{}", finding.cause);
    related(&finding, &marked("stream", "fetch"));
    assert_helps(&finding, "try_collect");
}

#[tokio::test]
async fn a_stream_is_open_while_a_closure_queries_the_pool() {
    let pool = bare_pool_of(1).await;
    let meeting = Meeting::of(1);
    let tasks = vec![queries_in_a_closure_for_each_row(&pool, &meeting).boxed()];
    let (finding, _) = found_among(&pool, &meeting, tasks).await;
    assert_primary(
        &finding,
        &marked("row of closure", "fetch_all"),
        "deadlock::certain::queries_in_a_closure_for_each_row",
    );
    assert_certainty(&finding, Certainty::Likely);
    related(&finding, &marked("stream of closure", "fetch"));
}
