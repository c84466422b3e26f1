//! What the watchdog sees of a handle: a glance that copies numbers, no text.

use std::time::{Duration, Instant};

use super::operations::What;
use super::reported::Reported;
use super::{Handle, Standing};
use crate::pool_state::counters::Hold;
use crate::site::tally::Tally;
use crate::snapshot::Activity;

/// A handle at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Glance {
    pub(crate) standing: Standing,
    pub(crate) activity: Activity,
    /// When that activity began.
    pub(crate) since: Instant,
    pub(crate) reported: Reported,
}

impl Handle {
    pub(crate) fn glance(&self) -> Glance {
        let state = self.state();
        Glance {
            standing: state.standing,
            activity: state.activity,
            since: state.since,
            reported: state.reported,
        }
    }

    /// Since when it has not talked to the database, if it does not. A stream that stands is dated by looking twice.
    pub(crate) fn quiet_since(&self, now: Instant) -> Option<Instant> {
        let mut state = self.state();
        match state.activity {
            Activity::Idle => Some(state.since),
            Activity::Streaming if !self.stream.are_awaited() => {
                let rows = self.stream.rows();
                match state.reported.rows {
                    Some((before, since)) if before == rows => Some(since),
                    _ => {
                        state.reported.rows = Some((rows, now));
                        state.reported.idle = false;
                        Some(now)
                    }
                }
            }
            Activity::Streaming | Activity::Busy | Activity::Lent => None,
        }
    }

    pub(crate) fn asked(&self) -> Instant {
        self.asked
    }

    /// Permits that its pool had granted when it was asked for.
    pub(crate) fn granted_before(&self) -> u64 {
        self.granted_before
    }

    pub(crate) fn set_reported(&self, set: impl FnOnce(&mut Reported)) {
        set(&mut self.state().reported);
    }

    /// Notes that something is reported of what it has done since `since`. Returns whether it is: not if it does something else
    /// by now.
    pub(crate) fn report_once(&self, since: Instant, set: impl FnOnce(&mut Reported)) -> bool {
        let mut state = self.state();
        let same = state.since == since;
        if same {
            set(&mut state.reported);
        }
        same
    }

    /// The statement that the database is being waited for, and how long in all, not counting what was before `from`.
    pub(crate) fn running(
        &self,
        from: Option<Instant>,
        now: Instant,
    ) -> Option<(&'static Tally, Duration)> {
        let state = self.state();
        let whole = now.saturating_duration_since(state.since);
        let busy = match state.activity {
            Activity::Busy => whole,
            Activity::Streaming if self.stream.are_awaited() => self.stream.busy(whole),
            Activity::Streaming | Activity::Idle | Activity::Lent => return None,
        };
        let lived = from.map_or(busy, |from| busy.min(now.saturating_duration_since(from)));
        match &state.operations.iter().next()?.what {
            What::Statement(tally) => Some((*tally, lived)),
            What::Control(..) => None,
        }
    }

    /// How long it was held, so far.
    pub(crate) fn hold(&self, now: Instant) -> Hold {
        self.state().hold(&self.stream, now)
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.state().standing == Standing::Waiting
    }

    pub(crate) fn is_held(&self) -> bool {
        matches!(self.state().standing, Standing::Held(_))
    }

    pub(crate) fn has_waited(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.asked)
    }

    /// The task that asked for it.
    pub(crate) fn task(&self) -> Option<u64> {
        self.task
    }
}
