//! Handles that are held for long, and statements that run for long.

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::pace::SAMPLE;
use crate::config::Rules;
use crate::finding::Lint;
use crate::handle::{Glance, Handle};
use crate::lint::{self, Waiting};
use crate::measure::freeze::{self, Thawed};
use crate::snapshot::Activity;
use crate::source::function::Function;

/// Compares holds with their limits, and finds when the next one is due.
pub(super) struct HoldLimits<'a> {
    rules: &'a Rules,
    now: Instant,
    thawed: Thawed,
    claims: &'a [Arc<Handle>],
    /// The acquires among `claims` that wait. Collected when the first hold is over its limit.
    waiting: OnceCell<Waiting<'a>>,
    next_due: Option<Instant>,
    /// The shortest limit that the function of a handle sets.
    shortest_limit: Duration,
}

impl<'a> HoldLimits<'a> {
    pub(super) fn new(rules: &'a Rules, claims: &'a [Arc<Handle>], now: Instant) -> Self {
        Self {
            rules,
            now,
            thawed: freeze::thawed(),
            claims,
            waiting: OnceCell::new(),
            next_due: None,
            shortest_limit: SAMPLE * 2,
        }
    }

    /// Judges a handle that has been held since `held_since`.
    pub(super) fn judge(&mut self, handle: &Handle, glance: &Glance, held_since: Instant) {
        let now = self.now;
        if let Some(limit) = glance.shortest_limit() {
            self.shortest_limit = self.shortest_limit.min(limit);
        }
        let quiet_since = match glance.activity {
            Activity::Idle => Some(glance.since),
            Activity::Streaming => handle.quiet_since(now),
            Activity::Busy | Activity::Lent => None,
        };
        if !glance.reported.idle
            && let Some(quiet_since) = quiet_since
        {
            let quiet = self.thawed.lived(quiet_since, now);
            let function = glance.function_for(Lint::HeldIdle);
            if self.is_due(Lint::HeldIdle, function, quiet) {
                let waiting = self.waiting.get_or_init(|| Waiting::among(self.claims));
                lint::held_idle(self.rules, handle, glance.since, quiet, waiting);
            }
        }
        let held = self.thawed.lived(held_since, now);
        if !glance.reported.too_long {
            let function = glance.function_for(Lint::HeldTooLong);
            if self.is_due(Lint::HeldTooLong, function, held) {
                lint::held_too_long(self.rules, handle, held);
            }
        }
        if !glance.reported.slow
            && matches!(glance.activity, Activity::Busy | Activity::Streaming)
            && let Some((tally, time)) = handle.running(now)
        {
            let time = self.thawed.lived_of(time, now);
            let function = tally.place().and_then(|place| place.function);
            if self.is_due(Lint::SlowQuery, function, time) {
                lint::slow_query_running(self.rules, handle, tally, glance.since, time);
            }
        }
    }

    /// Whether this time may be over the limit; if not, notes when it will be.
    fn is_due(&mut self, lint: Lint, function: Option<&Function>, time: Duration) -> bool {
        let Some(limit) = self.rules.least_time(lint, function) else {
            return false;
        };
        let left = limit.saturating_sub(time);
        if left.is_zero() {
            return true;
        }
        // A limit that no clock reaches is never due.
        if let Some(due) = self.now.checked_add(left) {
            self.next_due = Some(self.next_due.map_or(due, |next| next.min(due)));
        }
        false
    }

    /// When the next of the holds that were judged is due.
    pub(super) fn next_due(self) -> Instant {
        // What a handle does next may be over its limit before the next sample.
        let soon = self.now + self.shortest_limit / 2;
        self.next_due.map_or(soon, |next| next.min(soon))
    }
}
