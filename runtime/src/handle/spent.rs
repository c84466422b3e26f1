//! How the time of a handle was spent.

use std::time::{Duration, Instant};

use super::rows::StreamRows;
use crate::pool_state::counters::Hold;
use crate::snapshot::Activity;

/// The time of earlier activities. For the rest of the time, the handle was idle.
#[derive(Clone, Copy)]
pub(super) struct Spent {
    from: Instant,
    pub(super) busy: Duration,
    pub(super) lent: Duration,
}

impl Spent {
    pub(super) fn from(from: Instant) -> Self {
        Self {
            from,
            busy: Duration::ZERO,
            lent: Duration::ZERO,
        }
    }

    /// Adds the time of an activity that began at `since`, up to `now`.
    #[inline]
    pub(super) fn add(
        &mut self,
        activity: Activity,
        since: Instant,
        stream: &StreamRows,
        now: Instant,
    ) {
        let time = || now.saturating_duration_since(since);
        match activity {
            Activity::Idle => {}
            Activity::Busy => self.busy += time(),
            Activity::Streaming => self.busy += stream.busy(time()),
            Activity::Lent => self.lent += time(),
        }
    }

    /// The whole time up to `now`, by kind of activity.
    pub(super) fn hold(self, now: Instant) -> Hold {
        let Self { from, busy, lent } = self;
        let whole = now.saturating_duration_since(from);
        Hold {
            busy,
            idle: whole.saturating_sub(busy + lent),
            lent,
        }
    }
}
