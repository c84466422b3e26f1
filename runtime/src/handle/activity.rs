//! What a handle is used for: statements, control operations, open streams, plain sqlx.

use std::mem;
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use super::asked::Purpose;
use super::operations::What;
use super::rows::StreamRows;
use super::unread::Unread;
use super::{Handle, State};
use crate::log::spans::OpenSpan;
use crate::pool_state::connections::Shown;
use crate::pool_state::counters::{Control, Hold};
use crate::scope::context;
use crate::site::tally::Tally;
use crate::snapshot::Activity;

/// A control operation (begin, ping and so on) while it runs. Dropping the guard ends it.
pub(crate) struct ControlGuard<'a> {
    handle: &'a Handle,
    control: Control,
    /// Whether the driver, if the operation is abandoned now, takes its answer for that of the next statement.
    unread: bool,
}

impl<'a> ControlGuard<'a> {
    pub(crate) fn control(&self) -> Control {
        self.control
    }

    /// Ends an operation that has run to its end. A guard that is dropped without this call ends it as abandoned.
    ///
    /// `None` is an operation on a connection without a handle.
    pub(crate) fn end(guard: Option<Self>) {
        if let Some(mut guard) = guard {
            guard.unread = false;
            // Its answer came after all that was left unread before it.
            guard.handle.state().unread = None;
        }
    }

    /// Ends an operation that has failed, and returns the time that it took.
    pub(crate) fn failed(self) -> Duration {
        let began = self.handle.state().since;
        Instant::now().saturating_duration_since(began)
    }

    /// The handle, on which the caller ends the operation.
    pub(super) fn into_handle(self) -> &'a Handle {
        let handle = self.handle;
        mem::forget(self);
        handle
    }
}

impl Drop for ControlGuard<'_> {
    fn drop(&mut self) {
        if self.unread {
            self.handle.poison(Shown::Cancelled);
        }
        let now = Instant::now();
        self.handle.state().rest(&self.handle.stream, now);
    }
}

impl Handle {
    /// Records that a statement begins, and returns the time at which it does.
    ///
    /// The statement of a query that was sent to the pool begins when its permit is granted.
    #[inline]
    pub(crate) fn begin_statement(&self, tally: &'static Tally, activity: Activity) -> Instant {
        let mut state = self.state();
        let now = if self.purpose.is_query() && state.statements == 0 {
            state.since
        } else {
            Instant::now()
        };
        state.statements += 1;
        state.first = state.first.or(Some(tally));
        self.note_use_of_left(&state);
        state.enter(activity, &self.stream, now);
        state.operations.note(What::Statement(tally), now);
        self.stream.open_awaited();
        now
    }

    /// Records the span of a statement that is about to be sent.
    pub(crate) fn begin_span(&self, span: &Arc<OpenSpan>) {
        let mut state = self.state();
        let spans = state.spans.get_or_insert_default();
        let leaked = spans.begin_statement(Arc::clone(span));
        drop(state);
        // After the unlock: a subscriber is called.
        if let Some(leaked) = leaked {
            leaked.end_given_up();
        }
    }

    /// Records the span of a transaction or savepoint that is about to begin.
    pub(crate) fn begin_transaction_span(&self, span: &Arc<OpenSpan>) {
        let mut state = self.state();
        let spans = state.spans.get_or_insert_default();
        spans.begin_transaction(Arc::clone(span));
    }

    /// Records that a control operation begins. It ends when the guard is dropped.
    pub(crate) fn begin_control(&self, control: Control) -> ControlGuard<'_> {
        self.begin_control_in(self.state(), control)
    }

    /// The same of a transaction, or of a savepoint where one is open.
    pub(crate) fn begin_transaction(&self) -> ControlGuard<'_> {
        let state = self.state();
        let control = match state.depth() {
            0 => Control::Begin,
            _ => Control::Savepoint,
        };
        self.begin_control_in(state, control)
    }

    fn begin_control_in(
        &self,
        mut state: MutexGuard<'_, State>,
        control: Control,
    ) -> ControlGuard<'_> {
        self.pool.counters.count(control);
        let is_granted_now = self.purpose == Purpose::Transaction && control == Control::Begin;
        let now = if is_granted_now {
            state.since
        } else {
            Instant::now()
        };
        self.note_use_of_left(&state);
        state.enter(Activity::Busy, &self.stream, now);
        let what = What::Control(control, context::site());
        state.operations.note(what, now);
        ControlGuard {
            handle: self,
            control,
            unread: control.is_answered_unseen()
                && self.pool.endpoint.system.forgets_abandoned_answers(),
        }
    }

    /// Records with the running function that it uses the handle, if that has left its root scope.
    #[inline]
    fn note_use_of_left(&self, state: &State) {
        if let Some(left) = &state.owner.left {
            left.note_use(self.id);
        }
    }

    /// Records that a COPY begins.
    #[cfg(feature = "postgres")]
    pub(crate) fn begin_copy(&self) {
        let mut state = self.state();
        state.enter(Activity::Streaming, &self.stream, Instant::now());
        state.copies = true;
        self.stream.open_idle();
    }

    /// Whether the open stream carries the data of a COPY.
    pub(crate) fn copies(&self) -> bool {
        self.state().copies
    }

    /// Records that the statement has ended: how much `time` of the database it has taken, whether it `failed`, and what it
    /// has left unread. `tally` is `None` where it does not count.
    ///
    /// Returns whether `slow_query` reported it while it ran.
    #[inline]
    pub(crate) fn end_statement(
        &self,
        tally: Option<&'static Tally>,
        now: Instant,
        time: Duration,
        failed: bool,
        unread: Option<Unread>,
    ) -> bool {
        let mut state = self.state();
        if !state.transactions.is_empty() {
            state.statement_in_transaction_ended(tally, failed);
        }
        state.unread = match unread {
            // Its answer comes after the rest of an earlier one, and that was still awaited.
            Some(unread) if !unread.answered => state.unread.or(Some(unread)),
            unread => unread,
        };
        let slow_was_reported = state.reported.slow;
        if matches!(state.activity, Activity::Busy | Activity::Streaming) {
            state.spent.busy += time;
        }
        let at_rest = state.at_rest();
        state.set_activity(at_rest, now);
        slow_was_reported
    }

    /// Sets the number of rows read from the open stream. The consumer has the last one.
    pub(crate) fn read_rows(&self, rows: u64) {
        self.stream.have(rows);
    }

    /// Records that the consumer of the open stream waits for the database. It has spent `idle` itself so far.
    pub(crate) fn await_rows(&self, idle: Duration) {
        self.stream.begin_to_wait(idle);
    }

    /// Records that the consumer of the open stream has a row. It has waited for the database for `waited` in total.
    pub(crate) fn have_rows(&self, waited: Duration) {
        self.stream.end_wait(waited);
    }

    /// Records that a COPY waits for the database.
    #[cfg(feature = "postgres")]
    pub(crate) fn await_copy(&self, now: Instant) {
        let whole = now.saturating_duration_since(self.state().since);
        self.await_rows(whole.saturating_sub(self.stream.busy(whole)));
    }

    /// Sets the number of pieces of a COPY that were moved. The program, not the database, acts next.
    #[cfg(feature = "postgres")]
    pub(crate) fn copied(&self, pieces: u64, now: Instant) {
        let whole = now.saturating_duration_since(self.state().since);
        self.have_rows(self.stream.busy(whole));
        self.read_rows(pieces);
    }
}

impl State {
    /// The time that the handle was held, up to `now`, by kind of activity.
    pub(super) fn hold(&self, stream: &StreamRows, now: Instant) -> Hold {
        let mut spent = self.spent;
        spent.add(self.activity, self.since, stream, now);
        spent.hold(now)
    }

    /// Ends the present operation.
    pub(super) fn rest(&mut self, stream: &StreamRows, now: Instant) {
        let at_rest = self.at_rest();
        self.enter(at_rest, stream, now);
    }

    /// Ends the present activity and begins another.
    pub(super) fn enter(&mut self, activity: Activity, stream: &StreamRows, now: Instant) {
        self.spent.add(self.activity, self.since, stream, now);
        self.set_activity(activity, now);
    }

    fn set_activity(&mut self, activity: Activity, now: Instant) {
        self.activity = activity;
        self.since = now;
        self.copies = false;
        self.rows_seen = None;
        self.reported.another_activity();
    }
}
