//! For tests: the statements that a future sends, and the findings in it. The page [`testing`](crate::leash::guide::testing)
//! has examples.

use std::fmt::Display;
use std::future::Future;
use std::panic::Location;

use futures_util::FutureExt;

use crate::finding::Finding;
use crate::finding::collector::Collector;
use crate::scope::{Watched, context};
use crate::track::in_scope::test_function;
use crate::track::returned;

mod asserted;
mod growth;
mod or_panic;
mod stable;
mod table;
mod watch;

#[doc(hidden)]
pub use asserted::{Ran, assert_none, expected, must_be_on, watched};
use or_panic::OrPanic;
use watch::{inside, number, outside, recorded};

pub use crate::test_data::{Expected, Statement, Statements};

/// Runs `future` and returns its output with the number of statements it sent, nested scopes and carried tasks
/// included.
///
/// # Locking
///
/// As [`leash::scope`](crate::leash::scope): the call looks its place up in a table of the process, under a mutex.
#[track_caller]
pub fn counting<F: Future>(future: F) -> impl Future<Output = (F::Output, u64)> {
    let function = test_function("counting", Location::caller());
    recorded(function, future).map(|(output, sent)| (output, number(&sent)))
}

/// Runs `future` and returns its output with the findings in it, those of nested scopes and carried tasks included; at
/// most the first 10,000.
///
/// These findings neither panic nor are logged. They are passed to [`on_finding`](crate::leash::on_finding)'s
/// callbacks. If the future panics or is dropped before it returns, they are logged after all: the report of a
/// `pool_timeout` says why an `unwrap` in a test has panicked.
///
/// # Locking
///
/// As [`leash::scope`](crate::leash::scope): the call looks its place up in a table of the process, under a mutex.
#[track_caller]
pub fn findings<F: Future>(future: F) -> impl Future<Output = (F::Output, Vec<Finding>)> {
    let function = test_function("findings", Location::caller());
    let collector = Collector::default();
    let watched = Watched {
        collector: Some(collector.clone()),
        record: None,
    };
    let collected = Collected(collector);
    inside(function, watched, future).map(move |output| (output, collected.0.take()))
}

/// The findings of a future. Those that nobody has taken when it ends go to the test around it, else to the log.
struct Collected(Collector);

impl Drop for Collected {
    fn drop(&mut self) {
        for finding in self.0.take() {
            let scope = context::made_scope();
            match scope.as_ref().and_then(|scope| scope.collector()) {
                Some(around) => around.collect(finding),
                None => finding.log_unseen(),
            }
        }
    }
}

/// Runs `future` and returns its output with the statements that it sent, in a form that is the same in every run: for
/// snapshot tests.
///
/// [`Statements`] says what that form has. What counts is the same as for [`assert_queries!`].
///
/// ```
/// use sqlx_leash::leash::testing::statements;
/// use sqlx_leash::{self as sqlx, SqlitePool, track};
///
/// #[track(name = "Exams::today")]
/// async fn today(pool: &SqlitePool) -> sqlx::Result<i64> {
///     sqlx::query_scalar("SELECT 1 -- a comment").fetch_one(pool).await
/// }
///
/// # sqlx::test_block_on(async {
/// let pool = SqlitePool::connect("sqlite::memory:").await?;
/// let (result, sent) = statements(today(&pool)).await;
/// result?;
/// assert_eq!(sent.to_string(), "Exams::today\n    1 × SELECT 1");
/// # sqlx::Result::<()>::Ok(())
/// # }).unwrap();
/// ```
///
/// # Panics
///
/// If sqlx-leash is switched off at run time.
///
/// # Locking
///
/// As [`leash::scope`](crate::leash::scope): the call looks its place up in a table of the process, under a mutex.
#[track_caller]
pub fn statements<F: Future>(future: F) -> impl Future<Output = (F::Output, Statements)> {
    must_be_on();
    let function = test_function("statements", Location::caller());
    recorded(function, future).map(|(output, sent)| (output, stable::statements(sent)))
}

/// Runs `run` at each size, and returns its outputs. Panics if a call site sends more statements at a larger size, and
/// names it: however few they are, they are one for each row.
///
/// A size is what `run` makes of it, mostly the number of rows. A call site may send less at a larger size, or as much,
/// or one statement where a smaller size needs none. A call site that sends a different text at each size is one call
/// site.
///
/// The statements of tracked functions are compared. What the test sends itself, in the closure or in helpers without
/// `#[track]`, makes its data, and is not compared; wrap tracked helpers in [`fixture`]. If no tracked function sends a
/// statement at any size, all are compared.
///
/// ```should_panic
/// use sqlx_leash::leash::testing::constant_queries;
/// use sqlx_leash::{self as sqlx, SqlitePool, track};
///
/// #[track]
/// async fn names(pool: &SqlitePool, ids: i64) -> sqlx::Result<()> {
///     for id in 0..ids {
///         sqlx::query("SELECT ?").bind(id).fetch_one(pool).await?;
///     }
///     Ok(())
/// }
///
/// # sqlx::test_block_on(async {
/// let pool = SqlitePool::connect("sqlite::memory:").await.unwrap();
/// // Panics: the query is sent 2 times at 2, and 20 times at 20.
/// constant_queries([2, 20], async |n| names(&pool, n).await.unwrap()).await;
/// # });
/// ```
///
/// # Errors and caches
///
/// If `run` returns an `Err`, the test panics: a run that ends early sends less. Unwrap in the closure to see the error.
/// A statement that fails counts as a call.
///
/// A cache that the first run fills makes later runs send less, which is fine. It can hide growth, however, if the first
/// run has read everything that a later one needs: give each run a cache of its own.
///
/// # Panics
///
/// If a call site sends more statements at a larger size; if nothing was sent at any size; if an output is an `Err`; if
/// the sizes do not ascend; if sqlx-leash is switched off at run time. The place of the panic is the `.await`.
///
/// Fewer than two sizes are a compile error:
///
/// ```compile_fail,E0080
/// let _ = sqlx_leash::leash::testing::constant_queries([20], async |_: i64| {});
/// ```
///
/// # Locking
///
/// As [`leash::scope`](crate::leash::scope): the call looks its place up in a table of the process, under a mutex.
#[track_caller]
pub fn constant_queries<S, T, const N: usize>(
    sizes: [S; N],
    mut run: impl AsyncFnMut(S) -> T,
) -> impl Future<Output = [T; N]>
where
    S: Copy + Ord + Display,
{
    const {
        assert!(N >= 2, "`constant_queries` compares two or more sizes");
    }
    must_be_on();
    assert!(
        sizes.is_sorted_by(|one, next| one < next),
        "the sizes of `constant_queries` must ascend, as in `[2, 20]`"
    );
    let called = Location::caller();
    let function = test_function("constant_queries", called);
    let future = async move {
        let (mut outputs, mut sent) = (Vec::with_capacity(N), Vec::with_capacity(N));
        for size in sizes {
            let (output, sent_now) = recorded(function, run(size)).await;
            if returned::is_err(&output) {
                return Err(format!(
                    "the run at {size} returned an error, so its statements cannot be compared; unwrap in the closure to \
                     see the error"
                ));
            }
            outputs.push(output);
            sent.push(sent_now);
        }
        let runs = growth::Runs {
            sizes: &sizes,
            sent,
        };
        match (runs.objection(), outputs.try_into()) {
            (None, Ok(outputs)) => Ok(outputs),
            (Some(objection), _) => Err(objection),
            (None, Err(_)) => unreachable!("BUG: each size has an output"),
        }
    };
    OrPanic { called, future }
}

/// Runs `future` outside of the test: its statements count in no assertion around it, and its findings are reported as
/// those of any other code.
///
/// For tracked code that makes the data of a test, where it cannot run before the future that is tested:
///
/// ```
/// use sqlx_leash::leash::testing::{assert_queries, fixture};
/// # use sqlx_leash::{self as sqlx, SqlitePool};
///
/// # sqlx::test_block_on(async {
/// let pool = SqlitePool::connect("sqlite::memory:").await?;
/// let exams = assert_queries!(1, async {
///     fixture(sqlx::query("CREATE TABLE exam (id INTEGER)").execute(&pool)).await?;
///     sqlx::query("SELECT id FROM exam").fetch_all(&pool).await
/// })?;
/// assert_eq!(exams.len(), 0);
/// # sqlx::Result::<()>::Ok(())
/// # }).unwrap();
/// ```
///
/// # Locking
///
/// As [`leash::scope`](crate::leash::scope): the call looks its place up in a table of the process, under a mutex.
#[track_caller]
pub fn fixture<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let function = test_function("fixture", Location::caller());
    outside(function, future)
}

/// Asserts the number of statements that a future sends, and evaluates to its output: `assert_queries!(2, repo.find(1))`.
///
/// The number may be a range: `..=5`, `2..=4`, `2..`; see [`Expected`].
///
/// A statement counts once it has begun, also if it fails or is cancelled. `begin`, `commit`, `rollback`, savepoints, pings and
/// prepares do not count. Statements of nested scopes, of roots and of tasks that are carried with
/// [`in_current_scope`](crate::leash::ScopeExt::in_current_scope) do; those of other spawned tasks do not, nor do those that
/// a carried task sends after the future has returned. Data that the test needs is made before, or in a [`fixture`].
///
/// ```
/// use sqlx_leash::leash::testing::assert_queries;
/// # use sqlx_leash::{self as sqlx, SqlitePool};
///
/// # sqlx::test_block_on(async {
/// let pool = SqlitePool::connect("sqlite::memory:").await?;
/// let one: i64 = assert_queries!(1, sqlx::query_scalar("SELECT 1").fetch_one(&pool))?;
/// assert_eq!(one, 1);
/// assert_queries!(1..=2, sqlx::query("SELECT 1").fetch_one(&pool))?;
/// # sqlx::Result::<()>::Ok(())
/// # }).unwrap();
/// ```
///
/// # Panics
///
/// If the future sends another number of statements, with a table of what it sent: calls, statement, function, call
/// site. Before it runs the future: if the range is empty or has every number, or if sqlx-leash is switched off at run
/// time.
#[doc(hidden)]
#[macro_export]
macro_rules! __assert_queries {
    ($expected:expr, $future:expr $(,)?) => {{
        let expected = $crate::leash::testing::expected($expected);
        let (output, ran) = $crate::leash::testing::watched($future).await;
        ran.assert(expected);
        output
    }};
}
pub use crate::__assert_queries as assert_queries;

/// Asserts that there is no finding in a future, and evaluates to its output: `assert_clean!(service.admit(1))`.
///
/// A finding that is only likely counts, as does one whose cause is unknown, and one that the watchdog makes while the
/// future runs. A lint at `allow` finds nothing.
///
/// ```
/// use sqlx_leash::leash::testing::assert_clean;
/// # use sqlx_leash::{self as sqlx, SqlitePool};
///
/// # sqlx::test_block_on(async {
/// let pool = SqlitePool::connect("sqlite::memory:").await?;
/// let one: i64 = assert_clean!(sqlx::query_scalar("SELECT 1").fetch_one(&pool))?;
/// assert_eq!(one, 1);
/// # sqlx::Result::<()>::Ok(())
/// # }).unwrap();
/// ```
///
/// # Panics
///
/// If there is a finding: with the report of each, or with one line where another of the same lint and place is reported
/// already. If sqlx-leash is switched off at run time.
#[doc(hidden)]
#[macro_export]
macro_rules! __assert_clean {
    ($future:expr $(,)?) => {{
        $crate::leash::testing::must_be_on();
        let (output, findings) = $crate::leash::testing::findings($future).await;
        $crate::leash::testing::assert_none(&findings);
        output
    }};
}
pub use crate::__assert_clean as assert_clean;
