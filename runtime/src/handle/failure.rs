//! The failure of an open transaction.

use std::time::Instant;

use crate::pool_state::aftermath::Aftermath;
use crate::site::tally::Tally;
use crate::source::place::Place;

/// An error after which the server runs no statement in a transaction, or has ended the transaction.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) aftermath: Aftermath,
    /// Operation and targets of the statement that failed.
    pub(crate) statement: String,
    pub(crate) place: Option<Place>,
    /// The code of the error. The server's message may contain values, and is not kept.
    pub(crate) code: String,
    pub(crate) when: Instant,
    /// The number of errors that may be the one, this one included. More than one only where the server does not say
    /// which.
    pub(crate) candidates: u32,
    /// The last statement that had written in the transaction.
    pub(crate) lost: Option<&'static Tally>,
    /// The last statement that has written outside of the transaction since.
    pub(crate) wrote_since: Option<&'static Tally>,
    /// Whether code that is not seen may have used the connection since.
    pub(super) ran_unseen: bool,
    /// The number of statements on the handle before it ended.
    pub(super) statements_before: u64,
}

/// A statement that has failed, whether it was sent as one or is an operation of the driver.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent<'a> {
    pub(crate) sql: &'a str,
    pub(crate) summary: &'a str,
    pub(crate) place: Option<Place>,
}

impl Failure {
    /// PostgreSQL has refused the statement because an earlier one had failed. That one was not seen.
    pub(crate) fn is_of_unseen_statement(&self) -> bool {
        self.aftermath == Aftermath::Refused && self.code == "25P02"
    }
}
