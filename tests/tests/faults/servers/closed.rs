//! Why a pool's connections were closed, where a server is involved.

use std::time::Duration;

use futures::FutureExt as _;
use leash_tests::{Fate, until};
use sqlx::leash::ClosedBy;
use sqlx::{Connection as _, Error, Executor as _};

use super::world::World;
use super::{IS_GONE, SESSION};

/// Waits until that many are closed.
async fn closed(world: &World, number: u64) -> ClosedBy {
    let read = || world.pool.stats().connections.unwrap();
    until("they are closed", || read().closed >= number).await;
    assert_eq!(read().closed, number);
    read().closed_by
}

async fn session(world: &World) -> i64 {
    let mut connection = world.pool.acquire().await.unwrap();
    let asked = sqlx::query_scalar(SESSION).fetch_one(&mut *connection);
    let session = asked.await.unwrap();
    connection.return_to_pool().await;
    session
}

#[tokio::test]
async fn an_idle_session_that_the_server_has_ended() {
    let Some(world) = World::new().await else {
        return;
    };
    let first = session(&world).await;
    world.kills(first).await;
    assert_ne!(session(&world).await, first);
    let by = closed(&world, 1).await;
    assert_eq!((by.elsewhere, by.total()), (1, 1), "{by:?}");
    assert_eq!(world.pool.stats().connections.unwrap().opened, 2);
}

#[tokio::test]
async fn a_held_session_that_the_server_has_ended() {
    let Some(world) = World::new().await else {
        return;
    };
    let mut connection = world.pool.acquire().await.unwrap();
    let asked = sqlx::query_scalar(SESSION).fetch_one(&mut *connection);
    world.kills(asked.await.unwrap()).await;
    connection.execute("SELECT 1").await.unwrap_err();
    drop(connection);
    let by = closed(&world, 1).await;
    assert_eq!((by.elsewhere, by.total()), (1, 1), "{by:?}");
}

#[tokio::test]
async fn a_begin_that_is_given_up() {
    let Some(world) = World::new().await else {
        return;
    };
    let mut connection = world.pool.acquire().await.unwrap();
    let asked = sqlx::query_scalar(SESSION).fetch_one(&mut *connection);
    let session = asked.await.unwrap();
    // No answer comes before the first poll has ended.
    world.proxy.treats(Fate::Delayed(Duration::from_millis(50)));
    assert!(connection.begin().now_or_never().is_none());
    drop(connection);
    let by = closed(&world, 1).await;
    assert_eq!((by.cancelled, by.total()), (1, 1), "{by:?}");
    world.sees(IS_GONE, session).await;
}

/// transact-rs/sqlx#3132: the server may have opened the connection. The pool has not.
#[tokio::test]
async fn a_connect_that_takes_longer_than_an_acquire_may() {
    let Some(world) = World::impatient().await else {
        return;
    };
    world.proxy.meets_new_ones_with(Fate::Swallowed);
    assert!(matches!(
        world.pool.acquire().await,
        Err(Error::PoolTimedOut)
    ));
    let stats = world.pool.stats().connections.unwrap();
    assert_eq!((stats.opened, stats.closed, stats.cut), (0, 0, 1));
    world.is_repaired().await;
    session(&world).await;
    let stats = world.pool.stats().connections.unwrap();
    assert_eq!((stats.opened, stats.closed, stats.cut), (1, 0, 1));
    assert_eq!(stats.connect.count, 1);
    assert!(stats.connect.max > Duration::ZERO);
}
