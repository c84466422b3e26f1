//! What the macros `assert_queries!` and `assert_clean!` call. Not for other use.

use std::collections::HashSet;
use std::future::Future;
use std::panic::Location;

use super::table::{self, UNSEEN};
use super::watch::{number, recorded};
use futures_util::FutureExt;

use crate::finding::Finding;
use crate::lifecycle::startup;
use crate::measure::units::count;
use crate::scope::record::Sent;
use crate::test_data::Expected;
use crate::test_data::expected::Bounds;
use crate::track::in_scope::test_function;

/// The message of a failed assertion stays readable.
const MOST_REPORTS: usize = 100;

/// The number of statements that `assert_queries!` was given.
///
/// # Panics
///
/// If no test can fail for it, or none can pass.
#[track_caller]
pub fn expected(expected: impl Expected) -> Bounds {
    let bounds = expected.bounds();
    if let Some(objection) = bounds.objection() {
        panic!("{objection}");
    }
    bounds
}

/// Runs the future of `assert_queries!`.
#[track_caller]
pub fn watched<F: Future>(future: F) -> impl Future<Output = (F::Output, Ran)> {
    must_be_on();
    let function = test_function("assert_queries", Location::caller());
    recorded(function, future).map(|(output, sent)| (output, Ran(sent)))
}

/// What the future of `assert_queries!` has sent.
#[derive(Debug)]
pub struct Ran(Vec<Sent>);

impl Ran {
    /// Asserts that it is what was expected.
    ///
    /// # Panics
    ///
    /// If it is not.
    #[track_caller]
    pub fn assert(self, expected: Bounds) {
        let number = number(&self.0);
        if expected.contain(number) {
            return;
        }
        let mut message = format!("the number of statements sent is {number}; expected {expected}");
        if number > 0 {
            message += &format!("\n\n{}", table::all(self.0));
        }
        if expected.are_above(number) {
            message += &format!("\n\nnote: {UNSEEN}");
        }
        panic!("{message}");
    }
}

/// Asserts that something is tracked: else an assertion would pass whatever happens.
///
/// # Panics
///
/// If everything is switched off at run time.
#[track_caller]
pub fn must_be_on() {
    assert!(
        !startup::is_off(),
        "sqlx-leash is switched off at run time (`SQLX_LEASH=off` or `Config::off`), so this assertion would pass \
         whatever happens"
    );
}

/// Asserts that there are no findings.
///
/// # Panics
///
/// With the findings, if there are any.
#[track_caller]
pub fn assert_none(findings: &[Finding]) {
    let mut reported = HashSet::new();
    let reports = findings.iter().map(|finding| {
        let places = finding.related.iter().map(|related| &related.site);
        let cause: (_, Vec<_>) = ((finding.lint, &finding.primary), places.collect());
        if reported.insert(cause) {
            finding.render()
        } else {
            format!("again: {finding}")
        }
    });
    let mut reports: Vec<String> = reports.take(MOST_REPORTS).collect();
    let further = findings.len() - reports.len();
    if further > 0 {
        reports.push(format!("and {}", count(further as u64, "further finding")));
    }
    assert!(
        findings.is_empty(),
        "expected no finding; their number is {}:\n\n{}",
        findings.len(),
        reports.join("\n\n")
    );
}
