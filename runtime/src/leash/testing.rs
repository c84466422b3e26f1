//! For tests: the number of statements that a future sends, and the findings in it.

use std::future::Future;
use std::panic::Location;
use std::sync::Arc;

use crate::finding::Finding;
use crate::finding::collector::Collector;
use crate::scope::{Scope, context};
use crate::track::in_scope::named_function;
use crate::track::{self, Ended};

/// Runs `future` and returns its output with the number of statements it sent, nested scopes and carried tasks
/// included.
///
/// # Locking
///
/// As [`leash::scope`](crate::leash::scope): the call looks its place up in a table of the process, under a mutex.
#[track_caller]
pub fn counting<F: Future>(future: F) -> impl Future<Output = (F::Output, u64)> {
    let function = named_function("counting", Location::caller());
    async move {
        let scope = Scope::of_test(function, context::scope(), None);
        let output = track::in_scope(Arc::clone(&scope), future, |ended: &Ended, value: &_| {
            ended.hand_up(value);
        })
        .await;
        (output, scope.statements())
    }
}

/// Runs `future` and returns its output with the findings in it, those of nested scopes and carried tasks included.
///
/// These findings neither panic nor are logged. They are passed to [`on_finding`](crate::leash::on_finding)'s
/// callbacks.
///
/// # Locking
///
/// As [`leash::scope`](crate::leash::scope): the call looks its place up in a table of the process, under a mutex.
#[track_caller]
pub fn findings<F: Future>(future: F) -> impl Future<Output = (F::Output, Vec<Finding>)> {
    let function = named_function("findings", Location::caller());
    async move {
        let collector = Collector::default();
        let scope = Scope::of_test(function, context::scope(), Some(collector.clone()));
        let output = track::in_scope(scope, future, |ended: &Ended, value: &_| {
            ended.hand_up(value);
        })
        .await;
        (output, collector.take())
    }
}

/// Asserts the number of statements that a future sends, and evaluates to its output:
/// `assert_queries!(2, repo.find(1))`.
///
/// # Panics
///
/// If the future sends another number of statements.
#[doc(hidden)]
#[macro_export]
macro_rules! __assert_queries {
    ($expected:expr, $future:expr $(,)?) => {{
        let (output, sent) = $crate::leash::testing::counting($future).await;
        let expected: u64 = $expected;
        assert_eq!(
            sent, expected,
            "the number of statements sent (left) is not the one expected (right)"
        );
        output
    }};
}
pub use crate::__assert_queries as assert_queries;

/// Asserts that there is no finding in a future, and evaluates to its output: `assert_clean!(service.admit(1))`.
///
/// A finding that is only likely counts, as does one whose cause is unknown, and one that the watchdog makes while the
/// future runs.
///
/// # Panics
///
/// If there is a finding, with the whole reports.
#[doc(hidden)]
#[macro_export]
macro_rules! __assert_clean {
    ($future:expr $(,)?) => {{
        let (output, findings) = $crate::leash::testing::findings($future).await;
        assert!(
            findings.is_empty(),
            "{}",
            $crate::leash::testing::reports_of(&findings)
        );
        output
    }};
}
pub use crate::__assert_clean as assert_clean;

/// What [`assert_clean!`] says of the findings.
#[doc(hidden)]
pub fn reports_of(findings: &[Finding]) -> String {
    let reports: Vec<String> = findings.iter().map(Finding::render).collect();
    format!(
        "expected no finding; their number is {}:\n\n{}",
        reports.len(),
        reports.join("\n\n")
    )
}
