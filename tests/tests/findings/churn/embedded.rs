//! On SQLite: what is collected, the limit, and the pools that are judged.

use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::leash::testing::findings;
use sqlx::leash::{Certainty, Level, Lint};
use sqlx::track;

use super::{assert_says, closes, witnessed};
use crate::common::{
    TestPool, assert_primary, in_child_under, in_memory, marked, none_of, only, options, received,
    said,
};

/// Closes a connection after each use, and rests in between.
#[track]
async fn closes_until_told(pool: &TestPool) {
    let closes = async {
        loop {
            let conn = pool.acquire().await.unwrap(); // @opens
            conn.close().await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        () = closes => unreachable!("it does not end"),
        _ = pool.first_of(Lint::ConnectionChurn) => {}
    }
}

/// At most samples, no connection is open. The test that uses the pool collects the finding all the same.
#[tokio::test]
async fn the_users_of_the_pool_get_the_finding() {
    let pool = TestPool::of(in_memory().await);
    let ((), found) = findings(closes_until_told(&pool)).await;
    let found = only(found);
    assert_says(
        &found,
        Certainty::Certain,
        ["the program closes connections", "by `close()`", "drop it"],
    );
    assert_eq!(found.level, Level::Warn);
    assert_primary(
        &found,
        &marked("opens", "acquire"),
        "churn::embedded::closes_until_told",
    );
    assert!(
        said(&found, "closed").ends_with(" by the program"),
        "{}",
        found.render()
    );
    let note = format!("SQLX_LEASH=\"connection_churn[{}]=5/s\"", pool.name());
    assert!(
        found.notes.iter().any(|it| it.contains(&note)),
        "{}",
        found.render()
    );
}

/// The pool itself replaces its connections, and nothing else is alive.
#[tokio::test]
async fn a_minimum_that_is_replaced_without_use() {
    let options = options(4)
        .min_connections(4)
        .max_lifetime(Duration::from_secs(1));
    let pool = TestPool::of(options.connect("sqlite::memory:").await.unwrap());
    let (_, found) = pool.first_of(Lint::ConnectionChurn).await;
    assert_says(
        &found,
        Certainty::Likely,
        [
            "max_lifetime is 1 s",
            "were older than `max_lifetime`",
            "30 * 60",
        ],
    );
}

#[tokio::test]
async fn it_is_reported_once_while_it_goes_on() {
    let pool = TestPool::of(in_memory().await);
    let goes_on = async {
        pool.first_of(Lint::ConnectionChurn).await;
        witnessed().await;
    };
    tokio::select! {
        () = closes(&pool) => unreachable!("it does not end"),
        () = goes_on => {}
    }
    assert_eq!(pool.received_of(Lint::ConnectionChurn).len(), 1);
}

#[test]
fn a_pool_has_a_limit_of_its_own() {
    let environment = "connection_churn[fast]=1000/s,connection_churn[off]=allow";
    let test = "churn::embedded::a_pool_has_a_limit_of_its_own";
    let _ = in_child_under(test, environment, |runtime| {
        runtime.block_on(async {
            let fast = TestPool::of(in_memory().await).called("fast");
            let off = TestPool::of(in_memory().await).called("off");
            tokio::select! {
                () = closes(&fast) => unreachable!("it does not end"),
                () = closes(&off) => unreachable!("it does not end"),
                () = witnessed() => {}
            }
            none_of(Lint::ConnectionChurn, &received("fast"));
            none_of(Lint::ConnectionChurn, &received("off"));
        });
    });
}

/// Nothing is counted there, so nothing is said.
#[tokio::test]
async fn a_pool_of_plain_sqlx() {
    let plain = plain_sqlx::SqlitePool::connect("sqlite::memory:")
        .await
        .unwrap();
    let pool = TestPool::of(SqlitePool::from(plain));
    tokio::select! {
        () = closes(&pool) => unreachable!("it does not end"),
        () = witnessed() => {}
    }
    none_of(Lint::ConnectionChurn, &pool.received());
}

#[sqlx::test]
async fn the_database_of_a_test(pool: SqlitePool) {
    let pool = TestPool::of(pool);
    tokio::select! {
        () = closes(&pool) => unreachable!("it does not end"),
        () = witnessed() => {}
    }
    none_of(Lint::ConnectionChurn, &pool.received());
}
