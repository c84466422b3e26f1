//! The source does not show that the holder awaits the task that waits: no finding at the wait. The verdict at the
//! timeout is likely, and says on what it depends.

use std::time::Duration;

use sqlx::leash::{Certainty, Lint, ScopeExt, Verdict};
use sqlx::{SqlitePool, track};
use tokio::time::sleep;

use crate::common::{PATIENCE, assert_certainty, assert_helps, assert_none, none_of, only_of};

use super::{Result, SOON, found, reserve, shop};

/// Slow work of its own, which ends before the acquire times out.
#[track]
async fn starts_and_works(pool: &SqlitePool) -> Result {
    let tx = pool.begin().await?;
    let task = tokio::spawn(reserve(pool.clone()).in_current_scope());
    sleep(Duration::from_millis(400)).await;
    tx.commit().await?;
    task.await.unwrap()
}

#[tokio::test]
async fn a_holder_that_goes_on_is_silent() {
    let pool = shop(1, PATIENCE).await;
    let (ended, found) = found(starts_and_works(&pool)).await;
    ended.unwrap();
    assert_none(&found);
}

#[track]
async fn starts_and_works_too_long(pool: &SqlitePool) -> Result {
    let tx = pool.begin().await?;
    let task = tokio::spawn(reserve(pool.clone()).in_current_scope());
    sleep(2 * SOON).await;
    tx.commit().await?;
    task.await.unwrap()
}

#[tokio::test]
async fn at_the_timeout_both_cases_have_their_help() {
    let pool = shop(1, SOON).await;
    let (_, found) = found(starts_and_works_too_long(&pool)).await;
    none_of(Lint::PoolDeadlock, &found);
    let finding = only_of(Lint::PoolTimeout, &found);
    assert_eq!(finding.verdict, Some(Verdict::Hoarder));
    assert_certainty(finding, Certainty::Likely);
    assert!(
        finding.cause.ends_with("if findings::own_wait::beside::starts_and_works_too_long awaits that, neither can go on"),
        "{}",
        finding.cause
    );
    assert!(
        finding.help[0].starts_with("if findings::own_wait::beside::starts_and_works_too_long awaits findings::own_wait::reserve, let "),
        "{}",
        finding.render()
    );
    assert_helps(finding, "if not, end the transaction in ");
}

/// The branch that holds does its own slow work, whatever the other one waits for.
#[track]
async fn branches(pool: &SqlitePool) -> Result {
    let holds = async {
        let tx = pool.begin().await?;
        sleep(2 * SOON).await;
        tx.commit().await
    };
    let (held, reserved) = tokio::join!(holds, reserve(pool.clone()));
    held.and(reserved)
}

#[tokio::test]
async fn a_branch_that_holds_is_a_hoarder() {
    let pool = shop(1, SOON).await;
    let (_, found) = found(branches(&pool)).await;
    none_of(Lint::PoolDeadlock, &found);
    let finding = only_of(Lint::PoolTimeout, &found);
    assert_eq!(finding.verdict, Some(Verdict::Hoarder));
    assert_helps(finding, "end the transaction in ");
}
