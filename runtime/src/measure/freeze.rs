//! Times in which the process did not run: stopped, suspended, or starved.

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::sync;

/// A wake-up later than this is no scheduler's delay.
const LATE: Duration = Duration::from_millis(500);

/// One lock for both: who asks while the watchdog wakes up finds the freeze in the one or in the other.
static KNOWN: Mutex<Known> = Mutex::new(Known {
    sleep: None,
    last: None,
});

struct Known {
    /// While the watchdog sleeps: since when, and until when.
    sleep: Option<(Instant, Instant)>,
    /// The last time that the watchdog woke too late.
    last: Option<Freeze>,
}

#[derive(Clone, Copy)]
struct Freeze {
    began: Instant,
    ended: Instant,
}

impl Known {
    /// A freeze that is just over, and that the watchdog may not have woken to see.
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
    /// The part of the time since `since` that the process has run through since it stood still: before that, no code of
    /// the program could do anything.
    pub(crate) fn lived(self, since: Instant, now: Instant) -> Duration {
        self.lived_of(now.saturating_duration_since(since), now)
    }

    /// The same of a `time` that ends now.
    pub(crate) fn lived_of(self, time: Duration, now: Instant) -> Duration {
        self.0.map_or(time, |thawed| {
            time.min(now.saturating_duration_since(thawed))
        })
    }
}

/// The watchdog sleeps from now on, for so long unless it is woken.
pub(crate) fn asleep(now: Instant, interval: Option<Duration>) {
    known().sleep = interval.and_then(|interval| Some((now, now.checked_add(interval)?)));
}

/// It is awake; gives whether it should have been long before, whoever has woken it.
pub(crate) fn awake(now: Instant) -> bool {
    let mut known = known();
    let freeze = known.in_sleep(now);
    known.sleep = None;
    known.last = freeze.or(known.last);
    freeze.is_some()
}

/// How long the process stood still, if that was after `began`.
pub(crate) fn frozen_since(began: Instant) -> Option<Duration> {
    let known = known();
    let freeze = known.in_sleep(Instant::now()).or(known.last)?;
    (freeze.ended > began).then(|| {
        freeze
            .ended
            .saturating_duration_since(freeze.began.max(began))
    })
}
