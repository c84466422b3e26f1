//! Freezes: times at which the process did not run, because it was stopped, suspended or starved.
//!
//! The watchdog notices a freeze: it wakes, or ends a pass, much later than it was due.

use std::cell::Cell;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::sync;

/// What the watchdog does later than this is more than a delay of the scheduler.
const LATE: Duration = Duration::from_millis(500);

/// One lock for both fields: a reader finds a freeze in one of them, also while the watchdog wakes up.
static KNOWN: Mutex<Known> = Mutex::new(Known {
    step: None,
    last: None,
});

thread_local! {
    static IS_WATCHDOG: Cell<bool> = const { Cell::new(false) };
}

struct Known {
    /// What the watchdog does now, a sleep or a pass; `None` if that may take any time.
    step: Option<Step>,
    /// The last freeze that the watchdog noticed.
    last: Option<Freeze>,
}

#[derive(Clone, Copy)]
struct Step {
    began: Instant,
    due: Instant,
}

/// A time at which the process did not run.
#[derive(Clone, Copy)]
struct Freeze {
    began: Instant,
    ended: Instant,
}

impl Known {
    /// A freeze that has just ended, if the watchdog's step should be over by now and it has not noticed that yet.
    fn in_step(&self, now: Instant) -> Option<Freeze> {
        let Step { began, due } = self.step?;
        let late = now.saturating_duration_since(due);
        (late >= LATE).then_some(Freeze { began, ended: now })
    }

    /// Ends the watchdog's step and begins the next one. Returns whether there was a freeze.
    fn begin(&mut self, next: Option<Step>, now: Instant) -> bool {
        let freeze = self.in_step(now);
        self.step = next;
        self.last = freeze.or(self.last);
        freeze.is_some()
    }
}

impl Step {
    /// A pass is due at once: its own work takes no time that counts here.
    fn pass(now: Instant) -> Self {
        Self {
            began: now,
            due: now,
        }
    }
}

fn known() -> MutexGuard<'static, Known> {
    sync::lock(&KNOWN)
}

/// When the process ran again after it stood still for the last time, if it ever did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Thawed(Option<Instant>);

pub(crate) fn thawed() -> Thawed {
    Thawed(known().last.map(|freeze| freeze.ended))
}

impl Thawed {
    /// The time since `since`, counted from the end of the last freeze: before that, no code of the program could act.
    pub(crate) fn lived(self, since: Instant, now: Instant) -> Duration {
        self.lived_of(now.saturating_duration_since(since), now)
    }

    /// The same for a `time` that ends now.
    pub(crate) fn lived_of(self, time: Duration, now: Instant) -> Duration {
        self.0.map_or(time, |thawed| {
            time.min(now.saturating_duration_since(thawed))
        })
    }
}

/// Records that the watchdog, which is this thread, sleeps from now on, for `interval` at most; `None` until it is woken.
pub(crate) fn asleep(now: Instant, interval: Option<Duration>) {
    IS_WATCHDOG.set(true);
    let due = interval.and_then(|interval| now.checked_add(interval));
    known().begin(due.map(|due| Step { began: now, due }), now);
}

/// Records that the watchdog begins a pass. Returns whether there was a freeze: it was due to wake long before.
pub(crate) fn awake(now: Instant) -> bool {
    known().begin(Some(Step::pass(now)), now)
}

/// Calls code of the program, which may take any time: on the watchdog's thread too, that is no freeze.
pub(crate) fn aside<T>(call: impl FnOnce() -> T) -> T {
    if !IS_WATCHDOG.get() {
        return call();
    }
    known().begin(None, Instant::now());
    let result = call();
    let now = Instant::now();
    known().begin(Some(Step::pass(now)), now);
    result
}

/// How long the last freeze lasted after `began`; `None` if it ended before.
pub(crate) fn frozen_since(began: Instant) -> Option<Duration> {
    let known = known();
    let freeze = known.in_step(Instant::now()).or(known.last)?;
    (freeze.ended > began).then(|| {
        freeze
            .ended
            .saturating_duration_since(freeze.began.max(began))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown() -> Known {
        Known {
            step: None,
            last: None,
        }
    }

    #[test]
    fn a_stop_in_a_pass_is_a_freeze() {
        let (mut known, began) = (unknown(), Instant::now());
        assert!(!known.begin(Some(Step::pass(began)), began));
        assert!(known.in_step(began + LATE / 2).is_none());
        let ended = began + 4 * LATE;
        // A waiter may ask before the watchdog goes on.
        assert_eq!(known.in_step(ended).unwrap().ended, ended);
        assert!(known.begin(None, ended));
        assert_eq!(known.last.unwrap().ended, ended);
    }

    #[test]
    fn the_time_of_the_programs_own_code_is_no_freeze() {
        let (mut known, began) = (unknown(), Instant::now());
        known.begin(Some(Step::pass(began)), began);
        known.begin(None, began);
        let ended = began + 4 * LATE;
        assert!(known.in_step(ended).is_none());
        assert!(!known.begin(Some(Step::pass(ended)), ended));
        assert!(known.last.is_none());
    }
}
