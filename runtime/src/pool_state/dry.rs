//! Episodes of a pool: from the first acquire that times out until those who wait are served again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::lint::Diagnosis;

/// After so long without a timeout, an episode is over, if nobody waits.
const OVER_AFTER: Duration = Duration::from_secs(1);

/// The episode of one pool, if one is on.
#[derive(Debug, Default)]
pub(crate) struct Dry(Mutex<Option<Episode>>);

#[derive(Debug)]
pub(crate) struct Episode {
    pub(crate) since: Instant,
    pub(crate) timeouts: u64,
    diagnosis: Arc<Diagnosis>,
    diagnosed: Instant,
    last: Instant,
}

/// Those who waited together time out together, within this time: the first one's diagnosis is everybody's, because by the
/// time of the second the first has given back what it held.
const TOGETHER: Duration = Duration::from_millis(500);

/// What one more timeout is to its episode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It begins one.
    First,
    /// It is like the one before.
    Same,
    /// The cause has changed.
    Changed,
}

impl Dry {
    /// What was found out when others timed out who had waited with one that has waited since `asked`.
    pub(crate) fn shared(&self, asked: Instant, now: Instant) -> Option<Arc<Diagnosis>> {
        let episode = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let episode = episode.as_ref()?;
        let together = asked < episode.diagnosed
            && now.saturating_duration_since(episode.diagnosed) <= TOGETHER;
        together.then(|| Arc::clone(&episode.diagnosis))
    }

    /// An acquire timed out.
    pub(crate) fn timed_out(&self, diagnosis: &Arc<Diagnosis>, now: Instant) -> Turn {
        let mut episode = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(episode) = &mut *episode else {
            *episode = Some(Episode {
                since: now,
                timeouts: 1,
                diagnosis: Arc::clone(diagnosis),
                diagnosed: now,
                last: now,
            });
            return Turn::First;
        };
        episode.timeouts += 1;
        episode.last = now;
        if Arc::ptr_eq(&episode.diagnosis, diagnosis) {
            return Turn::Same;
        }
        let before = std::mem::replace(&mut episode.diagnosis, Arc::clone(diagnosis));
        episode.diagnosed = now;
        if before.verdict == diagnosis.verdict {
            Turn::Same
        } else {
            Turn::Changed
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some()
    }

    /// Ends the episode if nobody timed out for so long that those who waited then were served.
    pub(crate) fn end(
        &self,
        somebody_waits: bool,
        acquire_timeout: Duration,
        now: Instant,
    ) -> Option<Episode> {
        let quiet = if somebody_waits {
            acquire_timeout.max(OVER_AFTER)
        } else {
            OVER_AFTER
        };
        let mut episode = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        episode.take_if(|episode| now.saturating_duration_since(episode.last) >= quiet)
    }
}
