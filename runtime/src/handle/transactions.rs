//! The open transactions and savepoints of a handle, and what is lost when one is dropped.

use std::ptr;
use std::time::Instant;

use super::begun::{Begun, Course, End, OpenTransaction, Ran, WriteLock};
use super::{ControlGuard, Handle, State};
use crate::scope::{Lost, Scope, context};
use crate::site::Site;
use crate::site::tally::Tally;
use crate::source::function::Function;
use crate::sql::Kind;

impl Handle {
    /// The number of open transactions and savepoints that belong to `Transaction` values.
    pub(crate) fn transaction_depth(&self) -> u32 {
        self.state().depth()
    }

    /// The open transaction, if there is one.
    pub(crate) fn open_transaction(&self) -> Option<OpenTransaction> {
        let state = self.state();
        state
            .open_transaction()
            .filter(|_| !state.transactions_over)
    }

    /// Records that a `Transaction` value was made: a transaction, or a savepoint in an open one. `locks` is whether the
    /// begin asks SQLite for the lock for writing.
    pub(crate) fn transaction_began(&self, locks: bool) {
        let function = current_function();
        self.note_begun(&mut self.state(), function, locks);
    }

    fn note_begun(&self, state: &mut State, function: Option<&'static Function>, locks: bool) {
        let site = context::site();
        let place = site.map_or(self.place, Site::place);
        // The handle has been idle since the BEGIN was answered.
        let mut begun = Begun::new(state.since, state.statements, place, site, function);
        begun.write_lock = locks.then(|| WriteLock::of_begin(begun.when));
        if state.begun_by_text().is_some() {
            // PostgreSQL goes on with the transaction that a text has begun. MySQL has committed it. SQLite begins none
            // within another, and so had ended it before.
            let before = state.transactions.pop();
            let goes_on = !state.transactions_over && self.pool.endpoint.system.begins_once();
            if let Some(before) = before.filter(|_| goes_on) {
                begun.take_over(before);
            }
            self.failure_may_be_over(state);
        }
        if state.transactions.is_empty() {
            state.transactions_over = false;
        }
        state.transactions.push(begun);
        state.note_begin(self.pool.endpoint.system);
    }

    fn note_ended(&self, state: &mut State, end: End) {
        let ended = state.transactions.last();
        // The commit of a transaction that has failed is a rollback.
        let has_failed = ended.is_some_and(|ended| ended.failure.is_some());
        let is_rollback = end == End::RolledBack || has_failed;
        // What a savepoint wrote belongs to the transaction around it once the savepoint is released.
        if end == End::Committed
            && let [.., around, ended] = &mut *state.transactions
        {
            around.wrote = ended.wrote.or(around.wrote);
            around.ran_unseen |= ended.ran_unseen;
            if (around.course, ended.course) != (Course::Well, Course::Well) {
                around.course = Course::Recovered;
            }
        }
        // Dropped in place: to pop it would be to copy it.
        let around = state.transactions.len().saturating_sub(1);
        state.transactions.truncate(around);
        self.failure_may_be_over(state);
        state.note_end(is_rollback, self.pool.endpoint.system);
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
        } else if wrote {
            state.note_write_after_failure(tally);
            if !state.transactions_over
                && let Some(begun) = state.transactions.last_mut()
            {
                begun.wrote = Some(tally);
            }
        }
    }
}

impl ControlGuard<'_> {
    /// Ends a begin that has gone well, as [`Handle::transaction_began`].
    pub(crate) fn transaction_began(self, locks: bool) {
        let handle = self.into_handle();
        let (function, now) = (current_function(), Instant::now());
        let mut state = handle.state();
        state.rest(&handle.stream, now);
        handle.note_begun(&mut state, function, locks);
    }

    /// Ends a commit or rollback that has gone well.
    ///
    /// `None` is one on a connection without a handle.
    pub(crate) fn transaction_ended(guard: Option<Self>, end: End) {
        if let Some(guard) = guard {
            let (handle, now) = (guard.into_handle(), Instant::now());
            let mut state = handle.state();
            state.rest(&handle.stream, now);
            handle.note_ended(&mut state, end);
        }
    }
}

/// The function of the current scope.
fn current_function() -> Option<&'static Function> {
    context::scope().map(|scope| scope.function())
}

impl State {
    /// The number of open transactions and savepoints that belong to `Transaction` values.
    pub(super) fn depth(&self) -> u32 {
        match self.begun_by_text() {
            Some(_) => 0,
            None => u32::try_from(self.transactions.len()).unwrap_or(u32::MAX),
        }
    }

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
    pub(super) fn end_transactions(&mut self) {
        self.transactions_over = true;
        for begun in &mut self.transactions {
            begun.wrote = None;
            begun.write_lock = None;
        }
        // No value waits for the end of one that a text has begun. Its failure is still to be reported.
        if self.begun_by_text().is_some() && self.failure().is_none() {
            self.transactions.clear();
        }
    }

    /// The transaction that a text has begun, if it is followed.
    pub(super) fn begun_by_text(&self) -> Option<&Begun> {
        let first = self.transactions.first()?;
        first.text.is_some().then_some(first)
    }

    pub(super) fn open_transaction(&self) -> Option<OpenTransaction> {
        let begun = self.transactions.first()?;
        Some(OpenTransaction {
            place: begun.place,
            text: begun.text,
            when: begun.when,
            statements: self.statements.saturating_sub(begun.statements_before),
            first: begun.first,
            write_lock: begun.write_lock.map(|lock| WriteLock {
                is_sure: lock.is_sure && begun.suspect.is_none() && !self.has_temporary_tables(),
                ..lock
            }),
            wrote: self.last_write(),
            ran_unseen: self.was_used_unseen() || begun.ran_unseen,
        })
    }

    /// Whether a statement has made a temporary table, which is in a database of its own, with a lock of its own.
    fn has_temporary_tables(&self) -> bool {
        let session = self.session.as_deref();
        session.is_some_and(|session| session.has(Kind::TempTable))
    }

    /// The last statement that wrote in the open transaction or its savepoints.
    pub(super) fn last_write(&self) -> Option<&'static Tally> {
        self.transactions.iter().rev().find_map(|it| it.wrote)
    }
}
