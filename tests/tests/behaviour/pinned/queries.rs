//! `assert_queries!`: numbers and ranges, what counts, and what a failure says.

use std::cell::Cell;
use std::future::pending;

use expect_test::expect;
use futures::StreamExt;
use leash_tests::in_child;
use sqlx::leash::ScopeExt;
use sqlx::leash::testing::{
    assert_clean, assert_queries, constant_queries, counting, fixture, statements,
};
use sqlx::{AssertSqlSafe, Executor, SqlitePool, track};
use tokio::sync::oneshot;

use crate::common::{HUNDRED, caught, marked, path_of, poll_at_most, poll_until, pool, until};

use super::{at, name, names, place_of_name, refusal, row_with, seed, without_lines};

#[tokio::test]
async fn numbers_and_ranges_pass() {
    let pool = pool().await;
    seed(&pool, 2).await;
    assert_eq!(
        assert_queries!(3, names(&pool)).unwrap(),
        ["Amsel", "Amsel"]
    );
    assert_queries!(..=3, names(&pool)).unwrap();
    assert_queries!(..4, names(&pool)).unwrap();
    assert_queries!(2..=4, names(&pool)).unwrap();
    assert_queries!(3..4, names(&pool)).unwrap();
    assert_queries!(3.., names(&pool)).unwrap();
    assert_queries!(0, async {});
    let given = 3;
    assert_queries!(given, names(&pool)).unwrap();
    assert_queries!(given..=given + 1, names(&pool),).unwrap();
}

#[tokio::test]
async fn a_failure_shows_what_was_sent() {
    let pool = pool().await;
    seed(&pool, 3).await;
    let (message, place) = refusal(async {
        assert_queries!(2, names(&pool)).unwrap(); // @failing
    })
    .await;
    expect![[r"
        the number of statements sent is 4; expected 2

         calls  statement    function      call site
             3  SELECT exam  pinned::name  tests/tests/behaviour/pinned.rs:LINE:COLUMN
             1  SELECT exam  pinned::ids   tests/tests/behaviour/pinned.rs:LINE:COLUMN"]]
    .assert_eq(&without_lines(&message));
    assert_eq!(place, marked("failing", "assert_queries"));
    let row = row_with(&message, "::name ");
    assert_eq!(row.last(), Some(&at(&place_of_name())));
}

#[tokio::test]
async fn what_is_expected_is_said_of_ranges() {
    let pool = pool().await;
    seed(&pool, 1).await;
    let (message, _) = refusal(async { assert_queries!(..=1, names(&pool)) }).await;
    assert!(
        message.starts_with("the number of statements sent is 2; expected at most 1\n"),
        "{message}"
    );
    let (message, _) = refusal(async { assert_queries!(3..=4, names(&pool)) }).await;
    assert!(message.contains("is 2; expected 3 to 4\n"), "{message}");
    let (message, _) = refusal(async { assert_queries!(3.., names(&pool)) }).await;
    assert!(message.contains("2; expected at least 3\n"), "{message}");
    assert!(message.contains("`in_current_scope()`"), "{message}");
}

#[tokio::test]
#[expect(clippy::reversed_empty_ranges, reason = "they are refused")]
async fn nonsense_is_refused_before_the_future_runs() {
    let never = || async { unreachable!("it must not run") };
    let (message, place) = refusal(async {
        assert_queries!(4..=2, never()) // @empty
    })
    .await;
    assert!(message.contains("range is empty"), "{message}");
    assert_eq!(place, marked("empty", "assert_queries"));
    let (message, _) = refusal(async { assert_queries!(..0, never()) }).await;
    assert!(message.contains("range is empty"), "{message}");
    let (message, _) = refusal(async { assert_queries!(0.., never()) }).await;
    assert!(message.contains("cannot fail"), "{message}");
}

/// Each counts what is sent in it, and the outer one what is sent in both.
#[tokio::test]
async fn assertions_nest() {
    let pool = pool().await;
    seed(&pool, 1).await;
    assert_queries!(5, async {
        assert_queries!(1, name(&pool, 0)).unwrap();
        let (result, sent) = statements(names(&pool)).await;
        assert_eq!((result.unwrap().len(), sent.calls()), (1, 2));
        let (message, _) = refusal(async { assert_queries!(3, names(&pool)) }).await;
        assert!(message.contains("sent is 2"), "{message}");
    });
}

#[tokio::test]
async fn tasks_count_where_they_are_carried() {
    async fn in_task(pool: &SqlitePool, is_carried: bool) {
        let pool = pool.clone();
        let work = async move { names(&pool).await };
        let task = if is_carried {
            tokio::spawn(work.in_current_scope())
        } else {
            tokio::spawn(work)
        };
        task.await.unwrap().unwrap();
    }
    let pool = pool().await;
    seed(&pool, 2).await;
    assert_queries!(3, in_task(&pool, true));
    assert_queries!(0, in_task(&pool, false));
    let (message, _) = refusal(async { assert_queries!(3, in_task(&pool, false)) }).await;
    expect![[r"
        the number of statements sent is 0; expected 3

        note: statements of tasks that are spawned without `in_current_scope()` do not count"]]
    .assert_eq(&message);
}

/// What a carried task sends after the future has returned is not part of it.
#[tokio::test]
async fn a_task_that_goes_on_does_not_count_afterwards() {
    let pool = pool().await;
    seed(&pool, 1).await;
    let (go_on, gone_on) = oneshot::channel();
    let task = assert_queries!(1, async {
        name(&pool, 0).await.unwrap();
        let pool = (*pool).clone();
        let work = async move {
            gone_on.await.unwrap();
            name(&pool, 0).await
        };
        tokio::spawn(work.in_current_scope())
    });
    go_on.send(()).unwrap();
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_fails_or_is_cancelled_counts() {
    #[track]
    async fn fails(pool: &SqlitePool) -> sqlx::Result<()> {
        sqlx::query("SELECT no_such_column").execute(pool).await?;
        Ok(())
    }
    #[track]
    async fn leaves_rows(pool: &SqlitePool) {
        let mut rows = sqlx::query(HUNDRED).fetch(pool);
        rows.next().await.unwrap().unwrap();
    }
    #[track]
    async fn in_transaction(pool: &SqlitePool) -> sqlx::Result<()> {
        let mut tx = pool.begin().await?;
        tx.execute("SELECT 1; SELECT 2").await?;
        tx.commit().await
    }
    let pool = pool().await;
    assert_queries!(1, fails(&pool)).unwrap_err();
    assert_queries!(1, leaves_rows(&pool));
    assert_queries!(1, in_transaction(&pool)).unwrap();
    assert_queries!(0, async { drop(fails(&pool)) });
}

/// An assertion that is cancelled asserts nothing, and what it has counted stays with the assertions around it.
#[tokio::test]
async fn a_cancelled_assertion_asserts_nothing() {
    let pool = pool().await;
    seed(&pool, 1).await;
    let is_sent = Cell::new(false);
    assert_queries!(1, async {
        let cancelled = async {
            assert_queries!(7, async {
                name(&pool, 0).await.unwrap();
                is_sent.set(true);
                pending::<()>().await;
            });
        };
        poll_until(cancelled, || is_sent.get()).await;
    });
}

/// A panic passes through as it is, with what was sent counted around it.
#[tokio::test]
async fn a_panic_in_the_future_is_the_tests_own() {
    let pool = pool().await;
    seed(&pool, 1).await;
    assert_queries!(1, async {
        let (outcome, place) = caught(async {
            assert_queries!(7, async {
                name(&pool, 0).await.unwrap();
                panic!("as tested"); // @own
            });
        })
        .await;
        let payload = outcome.unwrap_err();
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"as tested"));
        assert_eq!(place, Some(marked("own", "panic")));
    });
}

/// What the test sends itself, and code without the attribute.
#[tokio::test]
async fn the_tests_own_statements_are_shown() {
    let pool = pool().await;
    let (message, _) = refusal(async {
        assert_queries!(9, async {
            seed(&pool, 2).await;
            let task = pool.execute("SELECT 1").in_current_scope();
            task.await.unwrap();
        });
    })
    .await;
    let row = row_with(&message, "INSERT exam");
    assert_eq!(row[..3], ["2", "INSERT exam", "(the test)"], "{message}");
    let row = row_with(&message, "SELECT ");
    assert_eq!(row[..3], ["1", "SELECT", "(the test)"], "{message}");
}

/// A table is short, however much was sent.
#[tokio::test]
async fn a_long_table_is_cut() {
    #[track]
    async fn dynamic(pool: &SqlitePool, number: u32) {
        let sql = AssertSqlSafe(format!("SELECT 1 AS a{number}"));
        sqlx::query(sql).execute(pool).await.unwrap();
    }
    let pool = pool().await;
    let (message, _) = refusal(async {
        assert_queries!(1, async {
            for number in 0..100 {
                dynamic(&pool, number).await;
            }
        });
    })
    .await;
    assert!(message.lines().count() < 50, "{message}");
    assert!(message.ends_with("and 60 further rows"), "{message}");
}

/// The names that the macros use are not seen by what is passed to them, nor the other way round.
#[tokio::test]
async fn the_macros_are_hygienic() {
    let pool = pool().await;
    seed(&pool, 1).await;
    let (expected, output, ran, findings) = (2, 10, 20, 30);
    let sum = assert_queries!(expected, async {
        names(&pool).await.unwrap();
        output + ran + findings
    });
    assert_eq!(sum, 60);
    assert_eq!(assert_clean!(async { output + ran + findings }), 60);
    assert_eq!(sqlx::leash::testing::assert_queries!(0, async { 1 }), 1);
}

/// What a fixture sends is not part of the test, also not of a test further out.
#[tokio::test]
async fn fixtures_do_not_count() {
    let pool = pool().await;
    let (names, sent) = counting(async {
        assert_queries!(1, async {
            fixture(seed(&pool, 1)).await;
            assert_eq!(fixture(names(&pool)).await.unwrap().len(), 1);
            let (in_fixture, inner) = fixture(counting(names(&pool))).await;
            assert_eq!((in_fixture.unwrap().len(), inner), (1, 2));
            name(&pool, 0).await.unwrap()
        })
    })
    .await;
    assert_eq!((&*names, sent), ("Amsel", 1));
    // A handle that a fixture returns lives on outside of all scopes.
    let tx = assert_queries!(0, fixture(async { pool.begin().await.unwrap() }));
    assert_eq!(pool.handles()[0].scope, None);
    drop(tx);
    pool.assert_serves_all().await;
}

#[test]
fn nothing_passes_while_all_is_switched_off() {
    let _ = in_child(
        &path_of("nothing_passes_while_all_is_switched_off"),
        &[("SQLX_LEASH", "off")],
        |runtime| {
            runtime.block_on(async {
                let said = [
                    refusal(async { assert_queries!(0, async {}) }).await,
                    refusal(async { assert_clean!(async {}) }).await,
                    refusal(async { statements(async {}).await }).await,
                    refusal(async { constant_queries([1, 2], async |_: i64| {}).await }).await,
                ];
                for (message, place) in said {
                    assert!(message.contains("switched off at run time"), "{message}");
                    assert_eq!(place.file, file!());
                }
            });
        },
    );
}

/// A scope of a test ends however its future does.
#[test]
fn no_scope_is_left() {
    let _ = in_child(&path_of("no_scope_is_left"), &[], |runtime| {
        runtime.block_on(async {
            let pool = pool().await;
            seed(&pool, 2).await;
            for polls in 0..20 {
                poll_at_most(polls, async { assert_queries!(3, names(&pool)) }).await;
                poll_at_most(polls, statements(names(&pool))).await;
                poll_at_most(polls, fixture(names(&pool))).await;
                poll_at_most(
                    polls,
                    constant_queries([1, 2], async |_| names(&pool).await),
                )
                .await;
                let scopes = sqlx::leash::snapshot().tracker.scopes;
                assert_eq!(scopes, 0, "cancelled after {polls} polls");
            }
            until("the connections are returned", || pool.handles().is_empty()).await;
        });
    });
}
