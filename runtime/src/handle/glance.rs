//! What the watchdog reads from a handle: numbers only, no text.

use std::time::{Duration, Instant};

use super::operations::What;
use super::reported::Reported;
use super::{Handle, Standing};
use crate::finding::Lint;
use crate::pool_state::counters::Hold;
use crate::site::tally::Tally;
use crate::snapshot::Activity;
use crate::source::function::Function;

/// A handle at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Glance {
    pub(crate) standing: Standing,
    pub(crate) activity: Activity,
    /// When `activity` began.
    pub(crate) since: Instant,
    pub(crate) reported: Reported,
    /// The function that took it.
    taker: Option<&'static Function>,
    /// The function that has it now, if a callee returned it to that one.
    receiver: Option<&'static Function>,
}

impl Glance {
    /// The function whose attribute decides about the handle for this lint: the one that took it, or, if that sets nothing
    /// for the lint, the one to which it was returned.
    pub(crate) fn function_for(&self, lint: Lint) -> Option<&'static Function> {
        let sets = |function: &&Function| {
            function.options().level(lint).is_some() || function.options().limit(lint).is_some()
        };
        let setting = self.functions().find(sets);
        setting.or(self.taker)
    }

    /// The shortest limit that its functions set.
    pub(crate) fn shortest_limit(&self) -> Option<Duration> {
        self.functions()
            .filter_map(|function| function.options().shortest_limit())
            .min()
    }

    fn functions(&self) -> impl Iterator<Item = &'static Function> {
        self.taker.into_iter().chain(self.receiver)
    }
}

impl Handle {
    pub(crate) fn glance(&self) -> Glance {
        let state = self.state();
        Glance {
            standing: state.standing,
            activity: state.activity,
            since: state.since,
            reported: state.reported,
            taker: self.place.function,
            receiver: state.owner.receiver(),
        }
    }

    /// Since when the handle has not used the database; `None` while it does, or while it is lent.
    ///
    /// A stream whose consumer has a row has been quiet since the first call that saw its present number of rows.
    pub(crate) fn quiet_since(&self, now: Instant) -> Option<Instant> {
        let mut state = self.state();
        match state.activity {
            Activity::Idle => Some(state.since),
            Activity::Streaming if !self.stream.are_awaited() => {
                let rows = self.stream.rows();
                match state.rows_seen {
                    Some((before, since)) if before == rows => Some(since),
                    _ => {
                        state.rows_seen = Some((rows, now));
                        state.reported.idle = false;
                        Some(now)
                    }
                }
            }
            Activity::Streaming | Activity::Busy | Activity::Lent => None,
        }
    }

    /// Whether a transaction is open on it.
    #[cfg(feature = "board")]
    pub(crate) fn is_in_transaction(&self) -> bool {
        let state = self.state();
        !state.transactions.is_empty() && !state.transactions_over
    }

    /// When the permit was requested.
    pub(crate) fn asked(&self) -> Instant {
        self.asked
    }

    /// The number of permits that the pool had granted when this one was requested.
    pub(crate) fn granted_before(&self) -> u64 {
        self.granted_before
    }

    /// The number of acquires that waited for the pool when this one began to.
    pub(crate) fn waiting_before(&self) -> u64 {
        self.waiting_before
    }

    /// Whether every permit was taken or waited for when this one was requested, so that it had to queue.
    pub(crate) fn had_to_queue(&self) -> bool {
        self.queues
    }

    pub(crate) fn set_reported(&self, set: impl FnOnce(&mut Reported)) {
        set(&mut self.state().reported);
    }

    /// Sets what is reported about the activity that began at `since`, and returns true.
    ///
    /// Sets nothing and returns false if another activity has begun since then.
    pub(crate) fn report_once(&self, since: Instant, set: impl FnOnce(&mut Reported)) -> bool {
        let mut state = self.state();
        let same = state.since == since;
        if same {
            set(&mut state.reported);
        }
        same
    }

    /// The statement that the database is executing, and for how long.
    pub(crate) fn running(&self, now: Instant) -> Option<(&'static Tally, Duration)> {
        let state = self.state();
        let whole = now.saturating_duration_since(state.since);
        let busy = match state.activity {
            Activity::Busy => whole,
            Activity::Streaming if self.stream.are_awaited() => self.stream.busy(whole),
            Activity::Streaming | Activity::Idle | Activity::Lent => return None,
        };
        match &state.operations.iter().next()?.what {
            What::Statement(tally) => Some((*tally, busy)),
            What::Control(..) => None,
        }
    }

    /// The statements among the last operations, latest first.
    pub(crate) fn last_statements(&self) -> Vec<&'static Tally> {
        let state = self.state();
        let statement = |what: &What| match what {
            What::Statement(tally) => Some(*tally),
            What::Control(..) => None,
        };
        state
            .operations
            .iter()
            .filter_map(|done| statement(&done.what))
            .collect()
    }

    /// The time that the handle was held, up to `now`, by kind of activity.
    pub(crate) fn hold(&self, now: Instant) -> Hold {
        self.state().hold(&self.stream, now)
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.state().standing == Standing::Waiting
    }

    pub(crate) fn is_held(&self) -> bool {
        matches!(self.state().standing, Standing::Held(_))
    }

    /// The time since the permit was requested.
    pub(crate) fn has_waited(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.asked)
    }

    /// The task that requested the permit.
    pub(crate) fn task(&self) -> Option<u64> {
        self.task
    }
}
