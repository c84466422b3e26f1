//! Every operation, cancelled after each of its polls and in every way in which a task can be cancelled: the counters
//! balance, nothing stays behind, and the pool is whole.

use std::fmt::Display;

use futures::future::BoxFuture;
use leash_tests::assert_whole;

use super::{Db, pool_of};
use crate::common::{TestPool, poll_at_most, rows_of};

pub(super) type Pool = sqlx::Pool<Db>;
pub(super) type Operation = fn(&Pool) -> BoxFuture<'_, sqlx::Result<()>>;

const INSERT: &str = "INSERT INTO exam (name) VALUES ('x')";
const SELECT: &str = "SELECT * FROM exam";

/// More polls than any operation needs, however its answers arrive.
const MOST: usize = 1_000;

/// Asserts that the counters balance and the pool is whole after a cancellation.
async fn look(pool: &TestPool<Db>, function: &str, after: &dyn Display) {
    for row in rows_of(function.trim_start_matches("behaviour::")) {
        assert_eq!(
            row.calls,
            row.ok + row.errors + row.cancelled,
            "after {after}: {row:?}"
        );
        assert_eq!(row.time.count, row.calls, "after {after}: {row:?}");
    }
    assert_whole(pool, &after.to_string()).await;
}

/// Cancels each operation after each number of polls, until it ends first: alone, and inside the tracked function of
/// this name.
pub(super) async fn at_every_poll(
    operations: &[(&str, Operation)],
    function: &str,
    tracked: fn(Operation, &Pool) -> BoxFuture<'_, sqlx::Result<()>>,
) {
    let Some(pool) = pool_of(2).await else { return };
    for (name, operation) in operations {
        for inside in [false, true] {
            let mut polls = 0;
            loop {
                let future = if inside {
                    tracked(*operation, &pool)
                } else {
                    operation(&pool)
                };
                let ended = poll_at_most(polls, future).await;
                look(&pool, function, &format_args!("{polls} polls of {name}")).await;
                if let Some(result) = ended {
                    result.unwrap_or_else(|error| panic!("{name}, poll {polls}: {error}"));
                    break;
                }
                polls += 1;
                assert!(polls < MOST, "{name} never ends");
            }
        }
    }
    // An operation that waits for a permit can be cancelled as well.
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(pool.acquire().await.unwrap());
    }
    for (name, operation) in operations {
        for polls in 0..2 {
            if let Some(result) = poll_at_most(polls, tracked(*operation, &pool)).await {
                // `try_…` does not wait.
                result.unwrap_or_else(|error| panic!("{name}: {error}"));
            }
            let stats = pool.stats();
            assert_eq!(
                (stats.handles, stats.waiting),
                (2, 0),
                "{name} cancelled while it waited"
            );
        }
    }
    drop(held);
    look(&pool, function, &"the waits").await;
}

/// Defines a test of operations. Each operation is a function of the pool.
macro_rules! given_up {
    ($test:ident: $($name:literal => |$pool:ident| $body:block)*) => {
        #[tokio::test]
        async fn $test() {
            #[track]
            fn tracked(
                operation: Operation,
                pool: &Pool,
            ) -> futures::future::BoxFuture<'_, sqlx::Result<()>> {
                Box::pin(async move { operation(pool).await })
            }
            let operations: &[(&str, Operation)] = &[
                $(($name, |$pool| Box::pin(async move {
                    $body;
                    Ok(())
                })),)*
            ];
            let function = concat!(module_path!(), "::", stringify!($test), "::tracked");
            at_every_poll(operations, function, tracked).await;
        }
    };
}

#[path = "cancel/borrowers.rs"]
mod borrowers;
#[path = "cancel/operations.rs"]
mod operations;
#[path = "cancel/ways.rs"]
mod ways;
#[path = "cancel/whole_pool.rs"]
mod whole_pool;
