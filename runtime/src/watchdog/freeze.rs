//! Times in which the process did not run: stopped, suspended, or starved.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A wake-up later than this is no scheduler's delay.
const LATE: Duration = Duration::from_millis(500);

static LAST: Mutex<Option<Freeze>> = Mutex::new(None);

/// While the watchdog sleeps: since when, and until when.
static SLEEP: Mutex<Option<(Instant, Instant)>> = Mutex::new(None);

#[derive(Clone, Copy)]
struct Freeze {
    began: Instant,
    ended: Instant,
}

pub(super) fn is_late(by: Duration) -> bool {
    by >= LATE
}

pub(super) fn note(began: Instant, ended: Instant) {
    *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some(Freeze { began, ended });
}

/// When the process ran again after it stood still for the last time; what began before is dated from there.
pub(super) fn thawed() -> Option<Instant> {
    LAST.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .map(|freeze| freeze.ended)
}

/// The watchdog sleeps from now on, for so long unless it is woken.
pub(super) fn asleep(now: Instant, interval: Option<Duration>) {
    let sleep = interval.and_then(|interval| Some((now, now.checked_add(interval)?)));
    *SLEEP.lock().unwrap_or_else(PoisonError::into_inner) = sleep;
}

/// It is awake.
pub(super) fn awake() {
    *SLEEP.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// A freeze that is just over, and that the watchdog has not woken to see.
fn unseen(now: Instant) -> Option<Freeze> {
    let (began, due) = (*SLEEP.lock().unwrap_or_else(PoisonError::into_inner))?;
    is_late(now.saturating_duration_since(due)).then_some(Freeze { began, ended: now })
}

/// How long the process stood still, if that was after `began`.
pub(crate) fn frozen_since(began: Instant) -> Option<Duration> {
    let last = || *LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let freeze = unseen(Instant::now()).or_else(last)?;
    (freeze.ended > began).then(|| {
        freeze
            .ended
            .saturating_duration_since(freeze.began.max(began))
    })
}
