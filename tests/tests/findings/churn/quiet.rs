//! Pools that open or close many connections, and do not churn.

use std::time::Duration;

use futures::future::join_all;
use sqlx::leash::Lint;
use sqlx::{Executor as _, track};
use tokio::time::sleep;

use super::super::witnessed;
use super::{Db, PoolOptions, database, own_server};
use crate::common::{TestPool, none_of};

type Pool = sqlx::Pool<Db>;

/// Uses twelve connections at once until `other` has ended, and then until the watchdog has had the time to report a churn.
#[track]
async fn uses_beside(pool: &Pool, other: impl Future<Output = ()>) {
    let uses = async {
        loop {
            join_all((0..12).map(|_| pool.execute("SELECT 1"))).await;
            sleep(Duration::from_millis(50)).await;
        }
    };
    let other = async {
        other.await;
        witnessed().await;
    };
    tokio::select! {
        () = uses => unreachable!("it does not end"),
        () = other => {}
    }
}

fn of(max_connections: u32) -> PoolOptions {
    PoolOptions::new().max_connections(max_connections)
}

#[track_caller]
fn assert_quiet(pool: &TestPool<Db>) {
    none_of(Lint::ConnectionChurn, &pool.received());
}

/// At the same time, because each takes more than ten seconds.
#[tokio::test]
async fn none_is_a_churn() {
    futures::join!(
        steady(),
        a_burst_that_shrinks(),
        pools_of_a_few_seconds(),
        a_restart_node_by_node(),
        a_server_that_restarts(),
    );
}

async fn steady() {
    let Some(db) = database().await else {
        return;
    };
    // Held at once, so that it warms up while it is watched.
    let pool = TestPool::of(of(30).connect(db.url()).await.unwrap());
    let held = join_all((0..30).map(|_| pool.acquire())).await;
    drop(held);
    uses_beside(&pool, async {}).await;
    assert_quiet(&pool);
}

async fn a_burst_that_shrinks() {
    let Some(db) = database().await else {
        return;
    };
    let options = of(30).idle_timeout(Duration::from_secs(1));
    let pool = TestPool::of(options.connect(db.url()).await.unwrap());
    let uses = async {
        sleep(Duration::from_secs(3)).await;
        drop(join_all((0..30).map(|_| pool.acquire())).await);
    };
    futures::join!(uses, witnessed());
    assert!(pool.size() < 2, "it has shrunk");
    assert_quiet(&pool);
}

async fn pools_of_a_few_seconds() {
    let Some(db) = database().await else {
        return;
    };
    let pools = async {
        loop {
            let pool = TestPool::of(of(5).connect(db.url()).await.unwrap());
            for _ in 0..100 {
                let conn = pool.acquire().await.unwrap();
                conn.close().await.unwrap();
            }
            pool.close().await;
            assert_quiet(&pool);
        }
    };
    tokio::select! {
        () = pools => unreachable!("it does not end"),
        () = witnessed() => {}
    }
}

/// Each connection is closed, one after the other, twice.
async fn a_restart_node_by_node() {
    let Some(db) = database().await else {
        return;
    };
    let pool = TestPool::of(of(12).connect(db.url()).await.unwrap());
    let restarts = async {
        for _ in 0..24 {
            sleep(Duration::from_millis(250)).await;
            super::kill_one(db.url()).await;
        }
    };
    uses_beside(&pool, restarts).await;
    assert_quiet(&pool);
}

async fn a_server_that_restarts() {
    let Some(mut server) = own_server().await else {
        return;
    };
    let pool = TestPool::of(of(12).connect(server.url()).await.unwrap());
    let restarts = async {
        for _ in 0..2 {
            sleep(Duration::from_secs(3)).await;
            server.stop().await;
            server.start().await;
        }
    };
    uses_beside(&pool, restarts).await;
    assert_quiet(&pool);
}
