//! Episodes of a pool: from the first acquire that times out until those who wait are served again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::PoolState;
use crate::lint::Diagnosis;

/// After so long without a timeout, an episode is over, if all who waited were served.
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
    /// Permits that were granted until then.
    granted: u64,
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
    pub(crate) fn timed_out(
        &self,
        diagnosis: &Arc<Diagnosis>,
        pool: &PoolState,
        now: Instant,
    ) -> Turn {
        let granted = pool.granted();
        let mut episode = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(episode) = &mut *episode else {
            *episode = Some(Episode {
                since: now,
                timeouts: 1,
                diagnosis: Arc::clone(diagnosis),
                diagnosed: now,
                last: now,
                granted,
            });
            return Turn::First;
        };
        episode.timeouts += 1;
        episode.last = now;
        episode.granted = granted;
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

    /// Ends the episode if nobody timed out for so long that those who waited then were served, or gave up. Of those who wait
    /// now, the first has asked at `asked`.
    pub(crate) fn end(
        &self,
        asked: Option<Instant>,
        pool: &PoolState,
        now: Instant,
    ) -> Option<Episode> {
        let mut episode = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        episode.take_if(|episode| {
            let waits_since_then = asked.is_some_and(|asked| asked <= episode.last);
            let quiet = if episode.was_served(pool) && !waits_since_then {
                OVER_AFTER
            } else {
                // Who asked again at once has timed out again by then.
                pool.limits.acquire_timeout.saturating_add(OVER_AFTER)
            };
            now.saturating_duration_since(episode.last) >= quiet
        })
    }
}

impl Episode {
    /// Whether anybody was given a permit since the last timeout.
    pub(crate) fn was_served(&self, pool: &PoolState) -> bool {
        pool.granted() > self.granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::{Certainty, Verdict};

    const MOMENT: Duration = Duration::from_millis(100);

    /// A pool in which an acquire timed out at this time.
    fn dry(pool: &PoolState) -> Instant {
        let (cause, now) = ("no answer", Instant::now());
        let diagnosis = Diagnosis::new(Verdict::Unreachable, Certainty::Likely, cause);
        pool.dry.timed_out(&Arc::new(diagnosis), pool, now);
        now
    }

    fn ends(pool: &PoolState, asked: Option<Instant>, now: Instant) -> bool {
        pool.dry.end(asked, pool, now).is_some()
    }

    #[test]
    fn one_attempt_after_the_other_is_one_episode() {
        let pool = PoolState::for_tests(1);
        let last = dry(&pool);
        let next = last + pool.limits.acquire_timeout + MOMENT;
        assert!(!ends(&pool, Some(last + MOMENT), next));
        assert!(!ends(&pool, None, next), "between two attempts");
        assert!(ends(&pool, None, next + OVER_AFTER), "nobody asks any more");
    }

    #[test]
    fn it_is_over_when_those_who_waited_are_served() {
        let pool = PoolState::for_tests(1);
        let asked = Instant::now();
        let last = dry(&pool);
        pool.counters.waits.queued(MOMENT);
        let soon = last + OVER_AFTER;
        assert!(!ends(&pool, None, last + MOMENT), "others may time out");
        assert!(!ends(&pool, Some(asked), soon), "one waits yet");
        assert!(ends(&pool, Some(last + MOMENT), soon), "that is another");
    }

    #[test]
    fn however_long_an_acquire_may_wait() {
        let mut pool = Arc::into_inner(PoolState::for_tests(1)).unwrap();
        pool.limits.acquire_timeout = Duration::MAX;
        let last = dry(&pool);
        assert!(!ends(&pool, None, last + OVER_AFTER));
    }
}
