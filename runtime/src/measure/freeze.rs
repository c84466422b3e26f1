//! Freezes: times at which the process did not run, because it was stopped, suspended or starved.
//!
//! The watchdog notices a freeze: it wakes much later than it was due.

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::sync;

/// A wake-up that is later than this is more than a delay of the scheduler.
const LATE: Duration = Duration::from_millis(500);

/// One lock for both fields: a reader finds a freeze in one of them, also while the watchdog wakes up.
static KNOWN: Mutex<Known> = Mutex::new(Known {
    sleep: None,
    last: None,
});

struct Known {
    /// While the watchdog sleeps: when that began, and when it is due to wake.
    sleep: Option<(Instant, Instant)>,
    /// The last freeze that the watchdog noticed.
    last: Option<Freeze>,
}

/// A time at which the process did not run.
#[derive(Clone, Copy)]
struct Freeze {
    began: Instant,
    ended: Instant,
}

impl Known {
    /// A freeze that has just ended, if the watchdog should have woken by now and has not noticed it yet.
    fn in_sleep(&self, now: Instant) -> Option<Freeze> {
        let (began, due) = self.sleep?;
        let late = now.saturating_duration_since(due);
        (late >= LATE).then_some(Freeze { began, ended: now })
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

/// Records that the watchdog sleeps from now on, for `interval` at most; `None` until it is woken.
pub(crate) fn asleep(now: Instant, interval: Option<Duration>) {
    known().sleep = interval.and_then(|interval| Some((now, now.checked_add(interval)?)));
}

/// Records that the watchdog is awake. Returns whether there was a freeze: it was due to wake long before.
pub(crate) fn awake(now: Instant) -> bool {
    let mut known = known();
    let freeze = known.in_sleep(now);
    known.sleep = None;
    known.last = freeze.or(known.last);
    freeze.is_some()
}

/// How long the last freeze lasted after `began`; `None` if it ended before.
pub(crate) fn frozen_since(began: Instant) -> Option<Duration> {
    let known = known();
    let freeze = known.in_sleep(Instant::now()).or(known.last)?;
    (freeze.ended > began).then(|| {
        freeze
            .ended
            .saturating_duration_since(freeze.began.max(began))
    })
}
