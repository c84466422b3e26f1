//! Shared by the modules: pools, places in the source, and checks of findings and rows.

use std::cell::RefCell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location};
use std::pin::pin;
use std::sync::Once;
use std::task::Poll;
use std::thread;

use futures::FutureExt;
use futures::future::{LocalBoxFuture, poll_fn};
use leash_tests::exams;
use sqlx::Database;
use sqlx::leash::{self, Certainty, Finding, Level, Lint, SiteStats};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

pub(crate) use leash_tests::{HUNDRED, Place, TestPool, Tx, declared, marked, path_of, until};

/// A pool on one in-memory database, with an empty table `exam (id, name)`.
pub(crate) async fn pool() -> TestPool {
    pool_of(5).await
}

pub(crate) async fn pool_of(max_connections: u32) -> TestPool {
    connect(
        SqlitePoolOptions::new().max_connections(max_connections),
        "sqlite::memory:",
    )
    .await
}

pub(crate) async fn connect(options: SqlitePoolOptions, url: &str) -> TestPool {
    connect_with(options, url.parse().unwrap()).await
}

pub(crate) async fn connect_with(
    options: SqlitePoolOptions,
    database: SqliteConnectOptions,
) -> TestPool {
    TestPool::new(exams(options, database).await, ())
}

/// The name of a function in findings and rows: the full path, except for a function of a trait.
pub(crate) fn full_name(function: &str) -> String {
    if function.starts_with('<') {
        function.to_owned()
    } else {
        format!("behaviour::{function}")
    }
}

/// The findings about leaks. Other lints may report something in the same test.
pub(crate) fn of_leaks(findings: Vec<Finding>) -> Vec<Finding> {
    findings
        .into_iter()
        .filter(|finding| finding.lint == Lint::OutlivedScope)
        .collect()
}

/// Runs `future`, in which `function` must lose the handle acquired at `word` on the line marked `marker`.
#[track_caller]
pub(crate) fn leaks<'f, F: Future + 'f>(
    marker: &str,
    word: &str,
    function: &str,
    future: F,
) -> LocalBoxFuture<'f, (F::Output, Finding)> {
    let (caller, place, function) = (
        Location::caller(),
        marked(marker, word),
        full_name(function),
    );
    let found = leash::testing::findings(Box::pin(future));
    Box::pin(async move {
        let (output, findings) = found.await;
        let mut findings = of_leaks(findings);
        assert_eq!(findings.len(), 1, "one finding, {caller}: {findings:#?}");
        let finding = findings.remove(0);
        assert_eq!(
            Place::from(&finding.primary),
            place,
            "the acquire, {caller}"
        );
        assert_eq!(
            finding.function.as_deref(),
            Some(&*function),
            "the function at fault, {caller}"
        );
        assert_eq!(finding.certainty, Certainty::Certain, "{caller}");
        let level = if cfg!(debug_assertions) {
            Level::Deny
        } else {
            Level::Warn
        };
        assert_eq!(finding.level, level, "{caller}");
        let scope = finding
            .related
            .first()
            .unwrap_or_else(|| panic!("the scope it outlived is reported, {caller}"));
        assert_eq!(
            scope.site.function.as_deref(),
            Some(&*function),
            "the scope it outlived, {caller}"
        );
        assert_eq!(
            scope.site.file, place.file,
            "the scope it outlived, {caller}"
        );
        (output, finding)
    })
}

/// Runs `future`, which must not cause a leak finding, and drops its output. Then asserts that no handle is
/// alive.
#[track_caller]
pub(crate) fn silent<'f, DB: Database, F: Future + 'f>(
    pool: &'f TestPool<DB>,
    future: F,
) -> LocalBoxFuture<'f, ()> {
    let caller = Location::caller();
    let found = leash::testing::findings(Box::pin(future));
    Box::pin(async move {
        let (output, findings) = found.await;
        assert_no_leak(findings, caller);
        drop(output);
        assert!(
            pool.handles().is_empty(),
            "still alive, {caller}: {:#?}",
            pool.handles()
        );
    })
}

/// Runs `future`, whose output must hold one handle. Asserts that there is no leak finding, and that the handle belongs
/// to no scope.
#[track_caller]
pub(crate) fn returned<'f, DB: Database, F: Future + 'f>(
    pool: &'f TestPool<DB>,
    future: F,
) -> LocalBoxFuture<'f, F::Output> {
    let caller = Location::caller();
    let found = leash::testing::findings(Box::pin(future));
    Box::pin(async move {
        let (output, findings) = found.await;
        assert_no_leak(findings, caller);
        let handles = pool.handles();
        assert_eq!(handles.len(), 1, "the returned value holds it, {caller}");
        assert_eq!(
            handles[0].scope, None,
            "it belongs to no scope any more, {caller}"
        );
        output
    })
}

fn assert_no_leak(findings: Vec<Finding>, caller: &Location) {
    let findings = of_leaks(findings);
    assert!(
        findings.is_empty(),
        "no leak, {caller}: {}",
        findings[0].render()
    );
}

thread_local! {
    /// The place of this thread's last panic.
    static LAST_PANIC: RefCell<Option<Place>> = const { RefCell::new(None) };
}

/// Runs `future`, and returns the place at which it has panicked beside the outcome.
pub(crate) async fn caught<F: Future>(future: F) -> (thread::Result<F::Output>, Option<Place>) {
    static SET: Once = Once::new();
    SET.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let location = panic.location().expect("a panic has a place");
            let place = Place {
                file: location.file().to_owned(),
                line: location.line(),
                column: location.column(),
            };
            LAST_PANIC.set(Some(place));
            before(panic);
        }));
    });
    let outcome = AssertUnwindSafe(future).catch_unwind().await;
    (outcome, LAST_PANIC.take())
}

/// Polls `future` at most `polls` times, each time it wakes, and then drops it.
pub(crate) async fn poll_at_most<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = Box::pin(future);
    let mut left = polls;
    // The future is dropped with this function's frame.
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Polls `future` each time it wakes until `is_far_enough` returns true, and then drops it.
pub(crate) async fn poll_until<F: Future>(future: F, is_far_enough: impl Fn() -> bool) {
    let mut future = pin!(future);
    poll_fn(|cx| {
        let ended = future.as_mut().poll(cx).is_ready();
        assert!(!ended, "the future must not end before it is dropped");
        if is_far_enough() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// The rows of a function, in the order of their lines.
pub(crate) fn rows_of(function: &str) -> Vec<SiteStats> {
    let function = full_name(function);
    let mut rows = leash::snapshot().sites;
    rows.retain(|row| row.function.as_deref() == Some(&*function));
    rows.sort_by_key(|row| (row.line, row.column));
    rows
}

/// The counters of one place: calls, ok, errors, cancelled, rows read, rows written.
pub(crate) type Sums = (u64, u64, u64, u64, u64, u64);

/// Asserts the counters of a function's places, in the order of their lines.
#[track_caller]
pub(crate) fn check_sums(function: &str, expected: &[Sums]) {
    let rows = rows_of(function);
    let counted: Vec<_> = rows.iter().map(sums).collect();
    let lines: Vec<_> = rows.iter().map(|row| (row.line, &*row.sql)).collect();
    assert_eq!(
        counted, expected,
        "(calls, ok, errors, cancelled, rows read, rows written) of {lines:#?}"
    );
}

fn sums(row: &SiteStats) -> Sums {
    (
        row.calls,
        row.ok,
        row.errors,
        row.cancelled,
        row.rows_returned,
        row.rows_affected,
    )
}
