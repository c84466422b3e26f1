//! What a handle is used for: statements, control operations, open streams, plain sqlx.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::operations::What;
use super::rows::StreamRows;
use super::{Handle, State};
use crate::pool_state::counters::{Control, Hold};
use crate::scope::context;
use crate::site::tally::Tally;
use crate::snapshot::Activity;

/// An operation that is no statement, while it runs.
pub(crate) struct ControlGuard {
    handle: Arc<Handle>,
    /// The driver does not count the answer among those that it still has to read.
    unread: bool,
}

impl ControlGuard {
    /// It came to its end, if anybody watched it. Dropped without, it was given up.
    pub(crate) fn end(guard: Option<Self>) {
        if let Some(mut guard) = guard {
            guard.unread = false;
        }
    }
}

impl Drop for ControlGuard {
    fn drop(&mut self) {
        if self.unread {
            self.handle.poison();
        }
        self.handle.become_idle(Instant::now());
    }
}

impl Handle {
    /// A statement begins on it; gives when. That of a query sent to the pool begins when its permit is there.
    pub(crate) fn begin_statement(&self, tally: &'static Tally, activity: Activity) -> Instant {
        let mut state = self.state();
        let now = if self.purpose.is_query() && state.statements == 0 {
            state.since
        } else {
            Instant::now()
        };
        state.statements += 1;
        state.enter(activity, &self.stream, now);
        state.operations.note(What::Statement(tally), now);
        self.stream.open_awaited();
        now
    }

    /// Something else begins on it; it is over when the guard is dropped.
    pub(crate) fn begin_control(self: &Arc<Self>, control: Control) -> ControlGuard {
        self.pool.counters.count(control);
        let now = Instant::now();
        let site = context::site();
        let mut state = self.state();
        state.enter(Activity::Busy, &self.stream, now);
        state.operations.note(What::Control(control, site), now);
        ControlGuard {
            handle: Arc::clone(self),
            unread: control.is_answered_unseen()
                && self.pool.endpoint.system.forgets_abandoned_answers(),
        }
    }

    /// A COPY has begun on it.
    #[cfg(feature = "postgres")]
    pub(crate) fn begin_copy(&self) {
        let mut state = self.state();
        state.enter(Activity::Streaming, &self.stream, Instant::now());
        state.copies = true;
        self.stream.open_idle();
    }

    /// Whether what streams on it is the data of a COPY.
    pub(crate) fn copies(&self) -> bool {
        self.state().copies
    }

    /// A statement is over, and may have `failed`; gives whether somebody was told meanwhile that it is slow.
    pub(crate) fn end_statement(&self, now: Instant, failed: bool) -> bool {
        let mut state = self.state();
        if let Some(begun) = state.transactions.last_mut() {
            begun.statement_ended(failed);
        }
        let slow_was_reported = state.reported.slow;
        state.enter(Activity::Idle, &self.stream, now);
        slow_was_reported
    }

    /// What began on it is over.
    pub(crate) fn become_idle(&self, now: Instant) {
        self.state().enter(Activity::Idle, &self.stream, now);
    }

    /// Plain sqlx has the connection, until it is used through the handle again.
    pub(crate) fn lend(&self) {
        let mut state = self.state();
        if state.activity != Activity::Lent {
            state.enter(Activity::Lent, &self.stream, Instant::now());
        }
    }

    pub(crate) fn is_lent(&self) -> bool {
        self.state().activity == Activity::Lent
    }

    /// So many rows were read from its stream, and the consumer has the last one.
    pub(crate) fn read_rows(&self, rows: u64) {
        self.stream.have(rows);
    }

    /// The consumer of its stream waits for the database, having taken so long itself.
    pub(crate) fn await_rows(&self, idle: Duration) {
        self.stream.begin_to_wait(idle);
    }

    /// The consumer of its stream has something, for which the database was waited for so long in all.
    pub(crate) fn have_rows(&self, waited: Duration) {
        self.stream.end_wait(waited);
    }

    /// The database is waited for in the course of a COPY.
    #[cfg(feature = "postgres")]
    pub(crate) fn await_copy(&self, now: Instant) {
        let whole = now.saturating_duration_since(self.state().since);
        self.await_rows(whole.saturating_sub(self.stream.busy(whole)));
    }

    /// So many pieces of a COPY are done, and the program has the turn.
    #[cfg(feature = "postgres")]
    pub(crate) fn copied(&self, pieces: u64, now: Instant) {
        let whole = now.saturating_duration_since(self.state().since);
        self.have_rows(self.stream.busy(whole));
        self.read_rows(pieces);
    }
}

impl State {
    /// What all activities add up to, the present one too.
    pub(super) fn hold(&self, stream: &StreamRows, now: Instant) -> Hold {
        let time = now.saturating_duration_since(self.since);
        let mut hold = self.spent;
        match self.activity {
            Activity::Idle => hold.idle += time,
            Activity::Busy => hold.busy += time,
            Activity::Streaming => {
                let busy = stream.busy(time);
                hold.busy += busy;
                hold.idle += time.saturating_sub(busy);
            }
            Activity::Lent => hold.lent += time,
        }
        hold
    }

    pub(super) fn enter(&mut self, activity: Activity, stream: &StreamRows, now: Instant) {
        self.spent = self.hold(stream, now);
        self.activity = activity;
        self.since = now;
        self.copies = false;
        self.reported.another_activity();
    }
}
