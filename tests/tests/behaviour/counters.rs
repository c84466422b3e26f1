//! Counters are exact: what is a call, how it ended, and what it read and wrote.

mod exact;
mod layers;
mod outcomes;
mod statements;

use crate::common::{Sums, check_sums, path_of};

const INSERT: &str = "INSERT INTO exam (name) VALUES ('x')";

/// The places of a function of the caller's module, in the order of their lines, have counted this.
#[track_caller]
fn check(function: &str, expected: &[Sums]) {
    check_sums(&path_of(function), expected);
}
