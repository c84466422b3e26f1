//! Times in which the process did not run: stopped, suspended, or starved.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A wake-up later than this is no scheduler's delay.
const LATE: Duration = Duration::from_millis(500);

static LAST: Mutex<Option<Freeze>> = Mutex::new(None);

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

/// How long the process stood still, if that was after `began`.
pub(crate) fn frozen_since(began: Instant) -> Option<Duration> {
    let freeze = (*LAST.lock().unwrap_or_else(PoisonError::into_inner))?;
    (freeze.ended > began).then(|| {
        freeze
            .ended
            .saturating_duration_since(freeze.began.max(began))
    })
}
