//! Connects of our own beside an acquire that waits for a server: sqlx keeps the error to itself and retries.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One connect in this time and pool, unless the pool was served in between.
const AT_MOST_EVERY: Duration = Duration::from_mins(1);

/// What the last one showed.
#[derive(Debug, Default)]
pub(crate) struct Probes(Mutex<Option<Probe>>);

#[derive(Clone, Debug)]
pub(crate) struct Probe {
    pub(crate) began: Instant,
    pub(crate) outcome: Outcome,
}

#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// It has not ended.
    Open,
    /// It was given up after this time, with the acquire beside which it ran.
    GivenUp(Duration),
    Connected,
    /// The error.
    Failed(String),
}

impl Probes {
    /// Whether one may begin now; it then has.
    pub(crate) fn begin(&self, now: Instant) -> bool {
        let mut probe = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let may = probe
            .as_ref()
            .is_none_or(|last| now.saturating_duration_since(last.began) >= AT_MOST_EVERY);
        if may {
            *probe = Some(Probe {
                began: now,
                outcome: Outcome::Open,
            });
        }
        may
    }

    pub(crate) fn end(&self, result: Result<(), sqlx::Error>) {
        if let Some(probe) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            probe.outcome = match result {
                Ok(()) => Outcome::Connected,
                Err(error) => Outcome::Failed(error.to_string()),
            };
        }
    }

    /// It is given up, unless it has ended.
    pub(crate) fn give_up(&self, now: Instant) {
        if let Some(probe) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)
            && let Outcome::Open = probe.outcome
        {
            probe.outcome = Outcome::GivenUp(now.saturating_duration_since(probe.began));
        }
    }

    /// The pool is served again: what the last one showed is over, and the next time is another matter.
    pub(crate) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The last one, if it is of use now.
    pub(crate) fn last(&self, now: Instant) -> Option<Probe> {
        let probe = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        probe
            .clone()
            .filter(|probe| now.saturating_duration_since(probe.began) < AT_MOST_EVERY)
    }
}
