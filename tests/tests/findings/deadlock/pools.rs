//! Deadlocks across several pools.

use futures::FutureExt;
use futures::future::join_all;
use sqlx::leash::testing::findings;
use sqlx::leash::{Certainty, Finding, Lint};
use sqlx::{SqlitePool, track};

use crate::common::{
    TestPool, assert_certainty, assert_helps, assert_primary, bare_pool_of, marked, none_of,
    only_of, related, said, until,
};

use super::{Meeting, Result, SOON};

#[track]
async fn takes_in_order(first: &SqlitePool, second: &SqlitePool, meeting: &Meeting) -> Result {
    let one = first.begin().await?; // @order first
    meeting.all_here().await;
    let other = second.acquire().await?; // @order second
    drop(other);
    one.rollback().await
}

async fn ring(pools: &[TestPool]) -> Finding {
    let meeting = Meeting::of(pools.len());
    let pairs = pools.iter().zip(pools.iter().cycle().skip(1));
    let tasks = pairs.map(|(first, second)| takes_in_order(first, second, &meeting).boxed());
    let tasks: Vec<_> = tasks.collect();
    let run = async {
        let received = || {
            let mut pools = pools.iter();
            pools.find_map(|pool| pool.received_of(Lint::PoolDeadlock).pop())
        };
        tokio::select! {
            biased;
            () = until(Lint::PoolDeadlock, || received().is_some()) => received().unwrap(),
            ended = join_all(tasks) => panic!("the tasks ended: {ended:?}"),
        }
    };
    let (finding, found) = findings(Box::pin(run)).await;
    assert!(meeting.formed().elapsed() < SOON);
    only_of(Lint::PoolDeadlock, &found);
    assert_primary(
        &finding,
        &marked("order second", "acquire"),
        "deadlock::pools::takes_in_order",
    );
    assert_certainty(&finding, Certainty::Certain);
    related(&finding, &marked("order first", "begin"));
    for pool in pools {
        assert!(finding.title.contains(pool.name()), "{}", finding.title);
    }
    assert_eq!(said(&finding, "permits"), pools.len().to_string());
    assert_helps(&finding, "in the same order everywhere");
    assert_helps(&finding, "tx.commit().await?");
    finding
}

#[tokio::test]
async fn two_pools_in_opposite_order() {
    ring(&[bare_pool_of(1).await, bare_pool_of(1).await]).await;
}

#[tokio::test]
async fn three_pools_in_a_ring() {
    ring(&[
        bare_pool_of(1).await,
        bare_pool_of(1).await,
        bare_pool_of(1).await,
    ])
    .await;
}

#[tokio::test]
async fn two_pools_in_the_same_order_drain() {
    let (one, other) = (bare_pool_of(1).await, bare_pool_of(1).await);
    let (first, second) = (Meeting::of(1), Meeting::of(1));
    let (_, found) = findings(async {
        tokio::join!(
            takes_in_order(&one, &other, &first),
            takes_in_order(&one, &other, &second)
        )
    })
    .await;
    none_of(Lint::PoolDeadlock, &found);
}
