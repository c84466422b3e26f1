//! The open transactions and savepoints of a handle, and what is lost when one is dropped.

use std::ptr;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use sqlx::error::DatabaseError;

use super::begun::{Begun, Course, End, Failure, OpenTransaction, Ran, WriteLock};
use super::{Handle, State};
use crate::pool_state::endpoint::Aftermath;
use crate::scope::{Lost, Scope, context};
use crate::site::Site;
use crate::site::tally::Tally;
use crate::source::place::Place;

impl Handle {
    pub(crate) fn transaction_depth(&self) -> u32 {
        u32::try_from(self.state().transactions.len()).unwrap_or(u32::MAX)
    }

    /// The open transaction, if there is one.
    pub(crate) fn open_transaction(&self) -> Option<OpenTransaction> {
        let state = self.state();
        let begun = state.transactions.first()?;
        Some(OpenTransaction {
            place: begun.place,
            when: begun.when,
            statements: state.statements - begun.statements_before,
            first: begun.first,
            write_lock: begun.write_lock,
            wrote: state.transactions.iter().rev().find_map(|it| it.wrote),
            ran_unseen: state.was_used_unseen() || begun.ran_unseen,
        })
    }

    /// Records that a transaction was begun, or a savepoint in an open one. `site` is the call site, if it is known, and
    /// `locks` whether the begin asks SQLite for the lock for writing.
    pub(crate) fn transaction_began(&self, site: Option<&'static Site>, locks: bool) {
        let function = context::scope().map(|scope| scope.function());
        let place = site.map_or(self.place, Site::place);
        let mut state = self.state();
        // The handle has been idle since the BEGIN was answered.
        let mut begun = Begun::new(state.since, state.statements, place, site, function);
        begun.write_lock = locks.then_some(WriteLock {
            statement: None,
            since: begun.when,
            is_sure: true,
        });
        if state.transactions.is_empty() {
            state.transactions_over = false;
        }
        state.transactions.push(begun);
        state.note_begin(self.pool.endpoint.system);
    }

    pub(crate) fn transaction_ended(&self, end: End) {
        let mut state = self.state();
        let ended = state.transactions.pop();
        self.failure_may_be_over(&state);
        // The commit of a transaction that has failed is a rollback.
        let has_failed = ended.as_ref().is_some_and(|ended| ended.failure.is_some());
        let is_rollback = end == End::RolledBack || has_failed;
        state.note_end(is_rollback, self.pool.endpoint.system);
        // What a savepoint wrote belongs to the transaction around it once the savepoint is released.
        if end == End::Committed
            && let (Some(ended), Some(around)) = (ended, state.transactions.last_mut())
        {
            around.wrote = ended.wrote.or(around.wrote);
            around.ran_unseen |= ended.ran_unseen;
            if (around.course, ended.course) != (Course::Well, Course::Well) {
                around.course = Course::Recovered;
            }
        }
    }

    /// Records that the commit or rollback of the innermost transaction failed.
    ///
    /// Its drop then loses nothing silently: the caller has the error.
    pub(crate) fn commit_or_rollback_failed(&self) {
        if let Some(failed) = self.state().transactions.last_mut() {
            failed.wrote = None;
        }
    }

    /// Removes the innermost transaction or savepoint, which was dropped open in `scope`, and returns what is lost.
    ///
    /// `None` if it has written nothing, or if its last statement failed: that failure explains the drop.
    pub(crate) fn transaction_dropped(&self, scope: Option<&Scope>) -> Option<Lost> {
        let mut state = self.state();
        let ran_unseen = state.was_used_unseen();
        let dropped = state.transactions.pop()?;
        self.failure_may_be_over(&state);
        state.note_end(true, self.pool.endpoint.system);
        let ran_unseen = ran_unseen || dropped.ran_unseen;
        if dropped.course == Course::Failed && !ran_unseen {
            return None;
        }
        let owner = &state.owner;
        let is_owner =
            scope.is_some_and(|scope| owner.scope.as_deref().is_some_and(|it| ptr::eq(it, scope)));
        Some(Lost {
            pool: self.pool_name(),
            span: self.span.clone(),
            is_taken_at_site: self.site.is_some(),
            begun: dropped.place,
            site: dropped.site,
            function: dropped.function,
            handed_up_at: owner.handed_up_at.filter(|_| is_owner),
            may_have_failed: ran_unseen || dropped.course == Course::Recovered,
            wrote: dropped.wrote?,
            is_savepoint: !state.transactions.is_empty(),
        })
    }

    /// Records that a statement's text has ended the open transactions.
    pub(crate) fn note_end_by_text(&self) {
        self.state().end_transactions();
        self.note_rollback_by_text();
    }

    /// Records that a statement's text has rolled back the transaction, or back to a savepoint in it.
    pub(crate) fn note_rollback_by_text(&self) {
        let mut state = self.state();
        for begun in &mut state.transactions {
            begun.failure = None;
        }
        self.failure_may_be_over(&state);
    }

    /// Records that a statement's text has set a savepoint. What was written before is not undone by a return to it.
    pub(crate) fn note_savepoint_by_text(&self) {
        if let Some(begun) = self.state().transactions.last_mut() {
            begun.wrote_before = begun.wrote_before.or(begun.wrote);
        }
    }

    /// Records that a statement's text has undone what was written since a savepoint. Which one is not known, so the
    /// first counts.
    pub(crate) fn note_undo_by_text(&self) {
        if let Some(begun) = self.state().transactions.last_mut() {
            begun.wrote = begun.wrote_before;
        }
    }

    /// Records an error of the server after which the transaction cannot go on.
    pub(crate) fn note_failure(&self, tally: &'static Tally, error: &dyn DatabaseError) {
        let code = error.code();
        let Some(aftermath) = self.pool.endpoint.system.aftermath(code.as_deref()) else {
            return;
        };
        let mut state = self.state();
        if state.transactions_over {
            return;
        }
        let begun = match aftermath {
            Aftermath::Refused => state.transactions.last_mut(),
            Aftermath::RolledBack => state.transactions.first_mut(),
        };
        // The errors that follow from the first one say nothing new.
        if let Some(begun) = begun
            && begun.failure.is_none()
        {
            begun.failure = Some(Failure {
                aftermath,
                tally,
                code: code.unwrap_or_default().into_owned(),
                when: Instant::now(),
            });
            self.has_failed.store(true, Relaxed);
        }
    }

    /// The failure of an open transaction, and where that was begun. Each is returned once.
    #[inline]
    pub(crate) fn take_failure(&self) -> Option<(Failure, Place)> {
        // Relaxed: only the task that uses the connection stores and loads it.
        if !self.has_failed.load(Relaxed) {
            return None;
        }
        self.has_failed.store(false, Relaxed);
        let state = self.state();
        let mut open = state.transactions.iter();
        open.find_map(|begun| Some((begun.failure.clone()?, begun.place)))
    }

    fn failure_may_be_over(&self, state: &State) {
        if state
            .transactions
            .iter()
            .all(|begun| begun.failure.is_none())
        {
            self.has_failed.store(false, Relaxed);
        }
    }

    /// Records the end of a statement that may write: how far it `ran`, and whether it `wrote` something.
    pub(crate) fn note_write(&self, tally: &'static Tally, ran: Ran, wrote: bool) {
        let mut state = self.state();
        if ran != Ran::Not
            && self.pool.endpoint.system.has_one_writer()
            && !tally.is_of_temporary_tables()
        {
            state.lock_for_writing(tally, ran);
        }
        if tally.changes_schema() && self.pool.endpoint.system.commits_on_ddl() {
            if tally.commits_before() {
                // The server has committed everything before this statement, even if the statement itself failed. From
                // now on it commits each statement.
                state.end_transactions();
            }
        } else if wrote
            && !state.transactions_over
            && let Some(begun) = state.transactions.last_mut()
        {
            begun.wrote = Some(tally);
        }
    }
}

impl State {
    /// Records the end of a statement in the open transaction. A statement that was abandoned before its answer has
    /// `failed`, too.
    pub(super) fn statement_in_transaction_ended(
        &mut self,
        tally: Option<&'static Tally>,
        failed: bool,
    ) {
        if let Some(innermost) = self.transactions.last_mut() {
            innermost.statement_ended(failed);
        }
        if let Some(transaction) = self.transactions.first_mut()
            && !failed
        {
            transaction.first = transaction.first.or(tally);
        }
    }

    /// Records that a statement of the open transaction has made SQLite give it the lock for writing.
    fn lock_for_writing(&mut self, tally: &'static Tally, ran: Ran) {
        let is_sure = ran == Ran::ToItsEnd && tally.writes_for_sure() && !tally.changes_schema();
        let since = self.since;
        if let Some(begun) = self.transactions.first_mut()
            && !self.transactions_over
            && begun.write_lock.is_none_or(|lock| is_sure && !lock.is_sure)
        {
            begun.write_lock = Some(WriteLock {
                statement: Some(tally),
                since,
                is_sure,
            });
        }
    }

    /// Marks the open transactions as ended by the server. What they wrote is settled, and no later write is theirs.
    fn end_transactions(&mut self) {
        self.transactions_over = true;
        for begun in &mut self.transactions {
            begun.wrote = None;
            begun.write_lock = None;
        }
    }
}
