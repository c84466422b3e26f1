//! What the other lints know of a connection that is lent, or was.

use std::time::Duration;

use sqlx::leash::testing::findings;
use sqlx::leash::{Certainty, Finding, Lint, Verdict};
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{Acquire, SqliteConnection, track};
use tokio::sync::Notify;

use crate::common::{
    DENY_IN_DEBUG, Gate, Place, TestPool, assert_certainty, assert_none, bare_pool_of, connect,
    in_child_under, marked, only, only_of, pool, related, reported, said,
};

use super::inserts;

/// A pool of one connection, whose acquires time out soon.
async fn small() -> TestPool {
    connect(
        SqlitePoolOptions::new()
            .acquire_timeout(Duration::from_millis(400))
            .max_connections(1),
    )
    .await
}

#[track]
async fn endpoint(conn: &mut SqliteConnection) -> sqlx::Result<String> {
    sqlx::query_scalar("SELECT 'https://example.org/'")
        .fetch_one(conn)
        .await // @endpoint
}

#[track]
async fn delivers(pool: &TestPool, taken: &Notify) -> sqlx::Result<()> {
    let mut conn = pool.acquire().await?; // @delivers
    endpoint(&mut conn).await?;
    taken.notify_one();
    std::future::pending().await
}

#[track]
async fn lists(pool: &TestPool) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT 1").fetch_one(&**pool).await
}

/// The finding of an acquire that times out beside `holds`.
async fn timeout_beside(
    pool: &TestPool,
    taken: &Notify,
    holds: impl Future<Output = sqlx::Result<()>>,
) -> Finding {
    let beside = async {
        tokio::select! {
            biased;
            _ = holds => unreachable!("it waits for ever"),
            () = async {
                taken.notified().await;
                lists(pool).await.unwrap_err();
            } => {}
        }
    };
    let ((), found) = findings(Box::pin(beside)).await;
    only_of(Lint::PoolTimeout, &found).clone()
}

#[tokio::test]
async fn a_holder_whose_helper_has_returned_is_a_hoarder() {
    let (pool, taken) = (small().await, Notify::new());
    let found = timeout_beside(&pool, &taken, delivers(&pool, &taken)).await;
    assert_eq!(found.verdict, Some(Verdict::Hoarder), "{}", found.render());
    assert_certainty(&found, Certainty::Certain);
    let holder = related(&found, &marked("delivers", "acquire"));
    assert!(holder.label.contains("idle for"), "{}", found.render());
    assert!(
        holder.label.contains("lent/judged.rs:"),
        "{}",
        found.render()
    );
    assert!(!found.render().contains("now lent"), "{}", found.render());
}

#[track]
async fn takes_after_a_helper(pool: &TestPool) -> sqlx::Result<()> {
    let mut first = pool.acquire().await?; // @after a helper
    endpoint(&mut first).await?;
    let second = pool.acquire().await?; // @second
    drop(second);
    drop(first);
    Ok(())
}

#[track]
async fn takes_in_a_helper(pool: &TestPool) -> sqlx::Result<()> {
    let mut first = pool.acquire().await?; // @for a helper
    reads_and_takes(&mut first, pool).await
}

#[track]
async fn reads_and_takes(conn: &mut SqliteConnection, pool: &TestPool) -> sqlx::Result<()> {
    sqlx::query("SELECT 1").execute(&mut *conn).await?;
    drop(pool.acquire().await?);
    Ok(())
}

async fn deadlock(pool: &TestPool, of: impl Future<Output = sqlx::Result<()>>) -> Finding {
    let run = async {
        tokio::select! {
            biased;
            (_, found) = pool.first_of(Lint::PoolDeadlock) => found,
            ended = of => panic!("{ended:?}"),
        }
    };
    let (found, _) = findings(Box::pin(run)).await;
    assert_eq!(found.level, DENY_IN_DEBUG);
    found
}

#[tokio::test]
async fn a_deadlock_is_certain_after_the_helper_and_in_it() {
    let pool = bare_pool_of(1).await;
    let found = deadlock(&pool, takes_after_a_helper(&pool)).await;
    assert_certainty(&found, Certainty::Certain);
    related(&found, &marked("after a helper", "acquire"));
    let pool = bare_pool_of(1).await;
    let found = deadlock(&pool, takes_in_a_helper(&pool)).await;
    related(&found, &marked("for a helper", "acquire"));
    assert_certainty(&found, Certainty::Certain);
}

#[track]
async fn reloads(pool: &TestPool) -> sqlx::Result<()> {
    let mut conn = pool.acquire().await?;
    let mut tx = conn.begin().await?; // @reload
    inserts(&mut tx).await?;
    sqlx::query("SELECT 1").execute(&**pool).await?;
    tx.commit().await
}

#[tokio::test]
async fn outside_transaction_counts_the_helpers_statement() {
    let pool = pool().await;
    let (_, found) = findings(reloads(&pool)).await;
    let found = only_of(Lint::OutsideTransaction, &found);
    let begin = related(found, &marked("reload", "begin"));
    assert_eq!(begin.label, "the transaction begins here");
    assert_eq!(said(found, "after"), "1 statement");
}

#[track]
async fn queries_the_pool(conn: &mut SqliteConnection, pool: &TestPool) -> sqlx::Result<()> {
    sqlx::query("SELECT 1").execute(&mut *conn).await?;
    sqlx::query("SELECT 2").execute(&**pool).await?; // @by a helper
    Ok(())
}

#[track]
async fn has_a_helper_query(pool: &TestPool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?; // @had by a helper
    queries_the_pool(&mut tx, pool).await?;
    tx.commit().await
}

#[tokio::test]
async fn a_helper_that_has_the_connection_and_queries_the_pool() {
    let pool = pool().await;
    let (_, found) = findings(has_a_helper_query(&pool)).await;
    for lint in [Lint::OutsideTransaction, Lint::NestedAcquire] {
        let found = only_of(lint, &found);
        assert_eq!(
            Place::from(&found.primary),
            marked("by a helper", "execute")
        );
        related(found, &marked("had by a helper", "begin"));
    }
}

#[track]
async fn writes_slowly(conn: &mut SqliteConnection) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO exam (name) VALUES ('slow')")
        .execute(conn)
        .await
        .map(drop) // @slow
}

#[track]
async fn lends_to_what_is_slow(pool: &TestPool) -> sqlx::Result<()> {
    let mut conn = pool.acquire().await?;
    writes_slowly(&mut conn).await
}

/// The limit of the pool, which is higher than that of the process, holds for a statement on a lent connection.
#[test]
fn slow_query_has_the_limit_of_the_pool_and_reports_while_it_runs() {
    let test = "lent::judged::slow_query_has_the_limit_of_the_pool_and_reports_while_it_runs";
    let limits = "slow_query=1ms,slow_query[gate]=300ms";
    let _ = in_child_under(test, limits, |runtime| {
        runtime.block_on(async {
            let mut gate = Gate::closed().await;
            let pool = TestPool::named("gate", gate.pool.clone(), ());
            let (written, found) = findings(async {
                futures::join!(lends_to_what_is_slow(&pool), async {
                    reported(pool.name(), Lint::SlowQuery, 1).await;
                    gate.open().await;
                })
            })
            .await;
            written.0.unwrap();
            let found = only(found);
            assert!(
                found.title.contains("the limit is 300 ms"),
                "{}",
                found.render()
            );
            assert!(found.title.contains("has run for"), "{}", found.render());
            assert_eq!(found.pool.as_deref(), Some("gate"));
        });
    });
}

#[tokio::test]
async fn helpers_that_return_in_time_are_silent() {
    #[track]
    async fn in_order(pool: &TestPool) -> sqlx::Result<()> {
        let mut tx = pool.begin().await?;
        inserts(&mut tx).await?;
        endpoint(&mut tx).await?;
        tx.commit().await?;
        lists(pool).await?;
        let mut conn = pool.acquire().await?;
        inserts(&mut conn).await?;
        drop(conn);
        lists(pool).await.map(drop)
    }
    let pool = pool().await;
    let (done, found) = findings(in_order(&pool)).await;
    done.unwrap();
    assert_none(&found);
}
