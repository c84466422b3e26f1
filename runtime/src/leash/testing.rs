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
