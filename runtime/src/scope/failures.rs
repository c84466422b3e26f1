//! Findings that fail a test (`fail=likely`), kept from where the program cannot panic until it can.
//!
//! The watchdog and destructors leave a failure with the scope that is running, which panics when it returns. A failure
//! whose scope ends without a return passes to the scope around it; without one, it waits for the end of the
//! `#[sqlx::test]` whose pool it is about.

use std::sync::Mutex;

use crate::sync;

/// The process keeps this many failures that belong to no running scope.
const UNCLAIMED_KEPT: usize = 64;
/// A scope keeps this many.
const KEPT: usize = 16;

/// The failures that belong to no running scope.
static UNCLAIMED: Mutex<Vec<Failure>> = Mutex::new(Vec::new());

/// A finding for which a test fails.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The name of the pool that it is about.
    #[cfg_attr(
        not(feature = "migrate"),
        allow(dead_code, reason = "only `#[sqlx::test]` takes them")
    )]
    pub(crate) pool: Option<String>,
    /// The whole report.
    pub(crate) message: String,
}

/// The failures of a scope.
#[derive(Debug, Default)]
pub(super) struct Failures(Vec<Failure>);

impl Failures {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn keep(&mut self, failure: Failure) {
        if self.0.len() < KEPT {
            self.0.push(failure);
        }
    }

    /// All of them as the message of one panic; `None` if there are none.
    pub(super) fn into_message(self) -> Option<String> {
        if self.is_empty() {
            return None;
        }
        let reports: Vec<String> = self.into_iter().map(|it| it.message).collect();
        Some(format!(
            "{}\n\nfound before this return, where the program could not panic; `fail=likely` makes it fail here",
            reports.join("\n\n")
        ))
    }
}

impl IntoIterator for Failures {
    type Item = Failure;
    type IntoIter = std::vec::IntoIter<Failure>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Keeps a failure for the end of a `#[sqlx::test]`.
pub(crate) fn leave_unclaimed(failure: Failure) {
    let mut unclaimed = sync::lock(&UNCLAIMED);
    if unclaimed.len() >= UNCLAIMED_KEPT {
        // The oldest: its test has most likely ended, and was no `#[sqlx::test]`.
        unclaimed.remove(0);
    }
    unclaimed.push(failure);
}

/// Takes the failures about the pool that belong to no scope, as the message of one panic; `None` if there are none.
#[cfg_attr(
    not(feature = "migrate"),
    allow(dead_code, reason = "only `#[sqlx::test]` takes them")
)]
pub(crate) fn take_unclaimed(pool: &str) -> Option<String> {
    let mut unclaimed = sync::lock(&UNCLAIMED);
    let of_pool = unclaimed.extract_if(.., |failure| failure.pool.as_deref() == Some(pool));
    let failures = Failures(of_pool.collect());
    drop(unclaimed);
    failures.into_message()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leave(pool: &str, message: usize) {
        leave_unclaimed(Failure {
            pool: Some(pool.to_owned()),
            message: message.to_string(),
        });
    }

    #[test]
    fn a_test_takes_the_failures_of_its_pool_and_the_oldest_ones_make_room() {
        leave("first", 0);
        leave("second", 0);
        let taken = take_unclaimed("second").expect("a failure");
        assert!(
            taken.starts_with("0\n\nfound before this return"),
            "{taken}"
        );
        assert_eq!(take_unclaimed("second"), None);
        for message in 0..UNCLAIMED_KEPT {
            leave("third", message);
        }
        assert_eq!(take_unclaimed("first"), None);
        let taken = take_unclaimed("third").expect("the failures");
        assert!(taken.starts_with("0\n\n1\n\n2"), "{taken}");
    }
}
