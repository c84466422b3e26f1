//! Runs the future that a test looks at.
//!
//! No async block is around it: each would double its size.

use std::future::Future;

use futures_util::FutureExt;

use crate::scope::Watched;
use crate::scope::record::{Record, Sent};
use crate::site::TrackedFn;
use crate::track::in_test::Test;

/// Runs the future in a scope of a test, as part of the scopes around it.
pub(super) fn inside<F: Future>(
    function: &'static TrackedFn,
    watched: Watched,
    future: F,
) -> impl Future<Output = F::Output> {
    let test = Test {
        function,
        watched,
        is_inside: true,
    };
    test.run(future)
}

/// Runs the future in a scope of a test, outside of all scopes.
pub(super) fn outside<F: Future>(
    function: &'static TrackedFn,
    future: F,
) -> impl Future<Output = F::Output> {
    let test = Test {
        function,
        watched: Watched::default(),
        is_inside: false,
    };
    test.run(future)
}

/// Runs the future, and returns what it has sent.
pub(super) fn recorded<F: Future>(
    function: &'static TrackedFn,
    future: F,
) -> impl Future<Output = (F::Output, Vec<Sent>)> {
    let record = Record::default();
    let watched = Watched {
        collector: None,
        record: Some(record.clone()),
    };
    inside(function, watched, future).map(move |output| (output, record.sent()))
}

/// The number of statements.
pub(super) fn number(sent: &[Sent]) -> u64 {
    sent.iter().map(|sent| sent.calls).sum()
}
