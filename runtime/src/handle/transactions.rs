//! Open transactions and savepoints of a handle, and what is lost when one is dropped.

use std::panic::Location;
use std::ptr;
use std::sync::Arc;

use super::{Handle, State};
use crate::context;
use crate::scope::Scope;
use crate::site::{Function, Place, Site};
use crate::snapshot::Activity;
use crate::tally::Tally;

/// A transaction or savepoint that is open.
#[derive(Debug)]
pub(super) struct Begun {
    place: Place,
    site: Option<&'static Site>,
    /// Of the scope in which it was begun.
    function: Option<&'static Function>,
    /// The last statement in it that wrote.
    wrote: Option<&'static Tally>,
    course: Course,
}

/// How the statements in a transaction went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    Well,
    /// After one had failed, others went well.
    Mended,
    /// The last one failed.
    Failed,
}

impl Begun {
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

/// A transaction or savepoint that had written and was dropped.
#[derive(Debug)]
pub(crate) struct Lost {
    pub(crate) handle: Arc<Handle>,
    /// Where it was begun.
    pub(crate) begun: Place,
    /// The same, where the attribute knows it.
    pub(crate) site: Option<&'static Site>,
    /// Of the scope in which it was begun.
    pub(crate) function: Option<&'static Function>,
    /// Where the scope that dropped it got it, if a callee had handed it up.
    pub(crate) arrived_at: Option<&'static Location<'static>>,
    /// A statement in it failed, or what plain sqlx did last in it may have.
    pub(crate) may_have_failed: bool,
    pub(crate) wrote: &'static Tally,
    pub(crate) is_savepoint: bool,
}

impl Handle {
    pub(crate) fn transaction_depth(&self) -> u32 {
        u32::try_from(self.state().transactions.len()).unwrap_or(u32::MAX)
    }

    /// A transaction, or in one a savepoint, was begun at `site`, where that is known.
    pub(crate) fn transaction_began(&self, site: Option<&'static Site>) {
        let begun = Begun {
            place: site.map_or(self.place, Site::place),
            site,
            function: context::scope().map(|scope| scope.function()),
            wrote: None,
            course: Course::Well,
        };
        let mut state = self.state();
        if state.transactions.is_empty() {
            state.is_over = false;
        }
        state.transactions.push(begun);
    }

    pub(crate) fn transaction_ended(&self, end: End) {
        let mut state = self.state();
        let ended = state.transactions.pop();
        // What a savepoint wrote is the transaction's around it, once released.
        if end == End::Committed
            && let (Some(ended), Some(around)) = (ended, state.transactions.last_mut())
        {
            around.wrote = ended.wrote.or(around.wrote);
            if (around.course, ended.course) != (Course::Well, Course::Well) {
                around.course = Course::Mended;
            }
        }
    }

    /// The innermost was to end, and that failed: whoever dropped it then was told so.
    pub(crate) fn transaction_failed(&self) {
        if let Some(failed) = self.state().transactions.last_mut() {
            failed.wrote = None;
        }
    }

    /// The innermost transaction or savepoint was dropped in `scope` while open; gives what goes with it, unless its last
    /// statement failed: then that is why.
    pub(crate) fn transaction_dropped(self: &Arc<Self>, scope: Option<&Scope>) -> Option<Lost> {
        let mut state = self.state();
        let dropped = state.transactions.pop()?;
        let is_lent = state.activity == Activity::Lent;
        if dropped.course == Course::Failed && !is_lent {
            return None;
        }
        let owner = &state.owner;
        let is_owner =
            scope.is_some_and(|scope| owner.scope.as_deref().is_some_and(|it| ptr::eq(it, scope)));
        Some(Lost {
            handle: Arc::clone(self),
            begun: dropped.place,
            site: dropped.site,
            function: dropped.function,
            arrived_at: owner.arrived_at.filter(|_| is_owner),
            may_have_failed: is_lent || dropped.course == Course::Mended,
            wrote: dropped.wrote?,
            is_savepoint: !state.transactions.is_empty(),
        })
    }

    /// A statement has ended the open transactions.
    pub(crate) fn note_end_by_text(&self) {
        self.state().end_transactions();
    }

    /// A statement on it that may write is over; whether it `wrote`.
    pub(crate) fn note_write(&self, tally: &'static Tally, wrote: bool) {
        let mut state = self.state();
        if self.pool.endpoint.system == "mysql" && tally.changes_schema() {
            if tally.commits_in_mysql() {
                // The server has committed all that was before, also if the statement itself failed, and from here on
                // it commits each statement.
                state.end_transactions();
            }
        } else if wrote
            && !state.is_over
            && let Some(begun) = state.transactions.last_mut()
        {
            begun.wrote = Some(tally);
        }
    }
}

impl State {
    /// The server has ended them: what they wrote is settled, and what comes is in none.
    fn end_transactions(&mut self) {
        self.is_over = true;
        for begun in &mut self.transactions {
            begun.wrote = None;
        }
    }
}
