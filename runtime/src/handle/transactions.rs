//! Open transactions and savepoints of a handle, and what is lost when one is dropped.

use std::ptr;

use super::begun::{Begun, Course, End};
use super::{Handle, State};
use crate::scope::{Lost, Scope, context};
use crate::site::Site;
use crate::site::tally::Tally;
use crate::snapshot::Activity;

impl Handle {
    pub(crate) fn transaction_depth(&self) -> u32 {
        u32::try_from(self.state().transactions.len()).unwrap_or(u32::MAX)
    }

    /// A transaction, or in one a savepoint, was begun at `site`, where that is known.
    pub(crate) fn transaction_began(&self, site: Option<&'static Site>) {
        let function = context::scope().map(|scope| scope.function());
        let begun = Begun::new(site.map_or(self.place, Site::place), site, function);
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
    pub(crate) fn transaction_dropped(&self, scope: Option<&Scope>) -> Option<Lost> {
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
            pool: self.pool.name(),
            span: self.span.clone(),
            is_taken_at_site: self.site.is_some(),
            begun: dropped.place,
            site: dropped.site,
            function: dropped.function,
            handed_up_at: owner.handed_up_at.filter(|_| is_owner),
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
        if tally.changes_schema() && self.pool.endpoint.system.commits_on_ddl() {
            if tally.commits_before() {
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
