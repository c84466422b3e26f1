//! An open transaction.

use crate::site::Site;
use crate::site::tally::Tally;
use crate::source::function::Function;
use crate::source::place::Place;

/// A transaction or savepoint that is open.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) place: Place,
    pub(super) site: Option<&'static Site>,
    /// Of the scope in which it was begun.
    pub(super) function: Option<&'static Function>,
    /// The last statement in it that wrote.
    pub(super) wrote: Option<&'static Tally>,
    pub(super) course: Course,
}

/// How the statements in a transaction went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    Well,
    /// After one had failed, others went well.
    Mended,
    /// The last one failed.
    Failed,
}

impl Begun {
    pub(super) fn new(
        place: Place,
        site: Option<&'static Site>,
        function: Option<&'static Function>,
    ) -> Self {
        Self {
            place,
            site,
            function,
            wrote: None,
            course: Course::Well,
        }
    }

    /// A statement in it is over. One that was given up before there was an answer has `failed`, too.
    pub(super) fn statement_ended(&mut self, failed: bool) {
        self.course = match self.course {
            _ if failed => Course::Failed,
            Course::Failed => Course::Mended,
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
