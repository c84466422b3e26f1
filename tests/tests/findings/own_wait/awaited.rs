//! The task that takes the scope along is awaited where it is started: told at the wait, likely.

use sqlx::leash::{Certainty, Finding, Lint, ScopeExt, Verdict};
use sqlx::{SqlitePool, track};
use tokio::task::JoinSet;

use crate::common::{
    PATIENCE, assert_certainty, assert_helps, assert_none, assert_primary, marked, none_of,
    only_of, related,
};

use super::{Result, SOON, found, reserve, reserves_at, shop};

#[track]
async fn place(pool: &SqlitePool) -> Result {
    let mut tx = pool.begin().await?; // @own place
    sqlx::query("INSERT INTO purchase VALUES (1)")
        .execute(&mut *tx)
        .await?;
    tokio::spawn(reserve(pool.clone()).in_current_scope())
        .await
        .unwrap()?;
    tx.commit().await
}

#[track]
async fn place_by_name(pool: &SqlitePool) -> Result {
    let tx = pool.begin().await?;
    let task = tokio::spawn(reserve(pool.clone()).in_current_scope());
    task.await.unwrap()?;
    tx.commit().await
}

#[track]
async fn place_many(pool: &SqlitePool) -> Result {
    let tx = pool.begin().await?;
    let mut tasks = JoinSet::new();
    for _ in 0..2 {
        tasks.spawn(reserve(pool.clone()).in_current_scope());
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap()?;
    }
    tx.commit().await
}

#[track]
async fn place_by_callee(pool: &SqlitePool) -> Result {
    let tx = pool.begin().await?;
    reserve_elsewhere(pool).await?;
    tx.commit().await
}

#[track]
async fn reserve_elsewhere(pool: &SqlitePool) -> Result {
    tokio::spawn(reserve(pool.clone()).in_current_scope())
        .await
        .unwrap()
}

fn deadlock(found: &[Finding]) -> &Finding {
    let finding = only_of(Lint::PoolDeadlock, found);
    assert_certainty(finding, Certainty::Likely);
    assert_primary(finding, &reserves_at(), "own_wait::reserve");
    assert!(
        finding
            .cause
            .contains("waits in another task, which its holder awaits"),
        "{}",
        finding.cause
    );
    finding
}

#[tokio::test]
async fn it_is_told_at_the_wait() {
    let pool = shop(1, SOON).await;
    let (ended, found) = found(place(&pool)).await;
    ended.unwrap_err();
    let finding = deadlock(&found);
    let holder = related(finding, &marked("own place", "begin"));
    assert!(
        holder
            .label
            .starts_with("findings::own_wait::awaited::place has held 1 permit")
    );
    assert_helps(
        finding,
        "let findings::own_wait::reserve take the connection as a parameter, `conn: &mut leash::Conn<'_, Sqlite>`",
    );
    assert_helps(finding, "without a task of its own, which cannot borrow it");
    let timeout = only_of(Lint::PoolTimeout, &found);
    assert_eq!(timeout.verdict, Some(Verdict::Deadlock));
    assert_eq!(timeout.help, finding.help);
}

#[tokio::test]
async fn however_the_task_is_awaited() {
    for way in [place_by_name_boxed, place_many_boxed, place_by_callee_boxed] {
        let pool = shop(1, SOON).await;
        let (ended, found) = found(way(&pool)).await;
        ended.unwrap_err();
        deadlock(&found);
    }
}

fn place_by_name_boxed(pool: &SqlitePool) -> futures::future::BoxFuture<'_, Result> {
    Box::pin(place_by_name(pool))
}

fn place_many_boxed(pool: &SqlitePool) -> futures::future::BoxFuture<'_, Result> {
    Box::pin(place_many(pool))
}

fn place_by_callee_boxed(pool: &SqlitePool) -> futures::future::BoxFuture<'_, Result> {
    Box::pin(place_by_callee(pool))
}

/// With enough permits, the task's query is nested, and runs outside the transaction.
#[tokio::test]
async fn with_enough_permits_it_is_nested() {
    let pool = shop(2, PATIENCE).await;
    let (ended, found) = found(place_by_name(&pool)).await;
    ended.unwrap();
    for lint in [Lint::NestedAcquire, Lint::OutsideTransaction] {
        assert_certainty(only_of(lint, &found), Certainty::Likely);
    }
    none_of(Lint::PoolDeadlock, &found);
}

#[track]
async fn place_then_reserve(pool: &SqlitePool) -> Result {
    let mut tx = pool.begin().await?;
    sqlx::query("INSERT INTO purchase VALUES (1)")
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    tokio::spawn(reserve(pool.clone()).in_current_scope())
        .await
        .unwrap()
}

#[tokio::test]
async fn released_before_it_is_silent() {
    let pool = shop(1, PATIENCE).await;
    let (ended, found) = found(place_then_reserve(&pool)).await;
    ended.unwrap();
    assert_none(&found);
}

#[track(held_idle = "100ms")]
async fn place_patiently(pool: &SqlitePool) -> Result {
    let first = pool.begin().await?;
    let second = pool.begin().await?;
    let third = pool.acquire().await; // @own third
    drop((first, second, third));
    Ok(())
}

/// One of three permits is held elsewhere, so there is no deadlock.
#[tokio::test]
async fn held_idle_says_that_its_holder_waits() {
    let pool = shop(3, SOON).await;
    let busy = pool.acquire().await.unwrap();
    let (_, found) = found(place_patiently(&pool)).await;
    drop(busy);
    let idle: Vec<_> = found
        .iter()
        .filter(|it| it.lint == Lint::HeldIdle)
        .collect();
    assert_eq!(idle.len(), 2, "{found:#?}");
    for finding in idle {
        assert!(
            finding.cause.starts_with("it waits for a permit of pool "),
            "{}",
            finding.render()
        );
        related(finding, &marked("own third", "acquire"));
        assert_helps(finding, "use the connection that is held: `&mut *tx`");
        assert!(!finding.help.iter().any(|it| it.contains("slow work")));
    }
}
