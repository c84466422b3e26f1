//! An open transaction.

use std::time::Instant;

use super::failure::Failure;
use crate::site::Site;
use crate::site::tally::Tally;
use crate::source::function::Function;
use crate::source::place::Place;
use crate::sql::Key;

/// A transaction or savepoint that is open. Either all of a handle belong to `Transaction` values, or there is one, which a
/// text has begun.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) when: Instant,
    /// The number of statements on the handle before it.
    pub(super) statements_before: u64,
    pub(super) place: Place,
    pub(super) site: Option<&'static Site>,
    /// The function of the scope in which it was begun.
    pub(super) function: Option<&'static Function>,
    /// The text that has begun it; `None` for a `Transaction` value.
    pub(super) text: Option<&'static Tally>,
    /// The savepoints that are set, outermost first, where a text that sets the first one has begun it.
    pub(super) savepoints: Vec<Key>,
    /// The first statement in it that did not fail. Kept for a transaction, not for a savepoint.
    pub(super) first: Option<&'static Tally>,
    /// SQLite's lock for writing, if it has it. Kept for a transaction, not for a savepoint.
    pub(super) write_lock: Option<WriteLock>,
    /// The last statement in it that wrote.
    pub(super) wrote: Option<&'static Tally>,
    /// The same at the first savepoint that was set in it by a text.
    pub(super) wrote_before: Option<&'static Tally>,
    pub(super) course: Course,
    /// Whether code that is not seen may have used the connection meanwhile.
    pub(super) ran_unseen: bool,
    pub(super) failure: Option<Box<Failure>>,
    /// The last error after which the server may have rolled it back. Kept for a transaction, not for a savepoint.
    pub(super) suspect: Option<Box<Failure>>,
}

/// What a reader sees of an open transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenTransaction {
    /// Where it was begun.
    pub(crate) place: Place,
    /// The text that has begun it; `None` for a `Transaction` value.
    pub(crate) text: Option<&'static Tally>,
    pub(crate) when: Instant,
    /// The number of statements sent in it.
    pub(crate) statements: u64,
    /// The first statement in it that did not fail.
    pub(crate) first: Option<&'static Tally>,
    /// The last statement that wrote in it or in its savepoints.
    pub(crate) wrote: Option<&'static Tally>,
    /// SQLite's lock for writing, if it has it.
    pub(crate) write_lock: Option<WriteLock>,
    /// Whether code that is not seen may have used the connection meanwhile.
    pub(crate) ran_unseen: bool,
}

/// SQLite's lock for writing, which a transaction keeps until it ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WriteLock {
    /// The statement that took it, whether or not it changed a row; `None` if the begin did: `BEGIN IMMEDIATE`.
    pub(crate) statement: Option<&'static Tally>,
    /// When the transaction had it at the latest.
    pub(crate) since: Instant,
    /// Whether it certainly has it. A statement that changes the schema may find nothing to do, and one that was given up
    /// or has violated a constraint may not have come so far.
    pub(crate) is_sure: bool,
}

impl WriteLock {
    /// The lock that a transaction has from its begin on.
    pub(super) fn of_begin(since: Instant) -> Self {
        Self {
            statement: None,
            since,
            is_sure: true,
        }
    }
}

/// How far a statement came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ran {
    ToItsEnd,
    /// It was given up, or has violated a constraint.
    Perhaps,
    Not,
}

/// How the statements in a transaction went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    /// No statement failed.
    Well,
    /// A statement failed, and a later one succeeded.
    Recovered,
    /// The last statement failed.
    Failed,
}

impl Begun {
    pub(super) fn new(
        when: Instant,
        statements_before: u64,
        place: Place,
        site: Option<&'static Site>,
        function: Option<&'static Function>,
    ) -> Self {
        Self {
            when,
            statements_before,
            place,
            site,
            function,
            text: None,
            savepoints: Vec::new(),
            first: None,
            write_lock: None,
            wrote: None,
            wrote_before: None,
            course: Course::Well,
            ran_unseen: false,
            failure: None,
            suspect: None,
        }
    }

    /// The same value, after the server has begun the next transaction in place of the one that is over.
    pub(super) fn begin_anew(&mut self) {
        let Self {
            when,
            statements_before,
            place,
            site,
            function,
            text,
            ..
        } = *self;
        *self = Self {
            text,
            ..Self::new(when, statements_before, place, site, function)
        };
    }

    /// What is known of `before` is true of this one: the server goes on with the same transaction.
    pub(super) fn take_over(&mut self, before: Self) {
        self.first = before.first;
        self.write_lock = before.write_lock;
        self.wrote = before.wrote;
        self.wrote_before = before.wrote_before;
        self.course = before.course;
        self.ran_unseen = before.ran_unseen;
        self.failure = before.failure;
    }

    /// Records the end of a statement in it. A statement that was abandoned before its answer has `failed`, too.
    pub(super) fn statement_ended(&mut self, failed: bool) {
        self.course = match self.course {
            _ if failed => Course::Failed,
            Course::Failed => Course::Recovered,
            before => before,
        };
    }
}

/// How a transaction or savepoint ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Committed,
    RolledBack,
}
