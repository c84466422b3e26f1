//! Counters are exact: the calls, their outcomes, and the rows read and written.

mod exact;
mod layers;
mod outcomes;
mod statements;

use crate::common::{Sums, check_sums, path_of};

const INSERT: &str = "INSERT INTO exam (name) VALUES ('x')";

/// Asserts the counters of a function of the caller's module, place by place, in the order of the lines.
#[track_caller]
fn check(function: &str, expected: &[Sums]) {
    check_sums(&path_of(function), expected);
}
