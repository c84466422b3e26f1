//! Episodes of timeouts: from the first acquire of a pool that times out until acquires are served again.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::finding::{Certainty, Fact, Related, Verdict};
use crate::source::place::Place;
use crate::sync;

/// An episode is over after this time without a timeout, if every acquire that waited then was served.
const OVER_AFTER: Duration = Duration::from_secs(1);

/// Why an acquire timed out, with the evidence.
#[derive(Debug)]
pub(crate) struct Diagnosis {
    pub(crate) verdict: Verdict,
    pub(crate) certainty: Certainty,
    pub(crate) cause: String,
    pub(crate) help: Vec<String>,
    /// The place to look at, with what happened there, if it is not the place of the acquire.
    pub(crate) culprit: Option<(Place, String)>,
    /// Where the first permit to look at was taken.
    pub(crate) holder: Option<Place>,
    pub(crate) related: Vec<Related>,
    pub(crate) facts: Vec<Fact>,
    /// Whether the cause is that the server is full, which concerns all pools on it alike.
    pub(crate) server_is_full: bool,
}

impl Diagnosis {
    pub(crate) fn new(verdict: Verdict, certainty: Certainty, cause: impl Into<String>) -> Self {
        Self {
            verdict,
            certainty,
            cause: cause.into(),
            help: Vec::new(),
            culprit: None,
            holder: None,
            related: Vec::new(),
            facts: Vec::new(),
            server_is_full: false,
        }
    }

    pub(crate) fn fact(mut self, name: &str, value: impl Into<String>) -> Self {
        self.facts.push(Fact::new(name, value));
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }
}

/// The present episode of one pool, if there is one.
#[derive(Debug, Default)]
pub(crate) struct Episodes(Mutex<Option<Episode>>);

/// An episode of timeouts.
#[derive(Debug)]
pub(crate) struct Episode {
    pub(crate) since: Instant,
    pub(crate) timeouts: u64,
    diagnosis: Arc<Diagnosis>,
    /// When `diagnosis` was made.
    diagnosed: Instant,
    /// The last timeout.
    last: Instant,
    /// The number of permits that the pool had granted at `last`.
    granted: u64,
}

/// Acquires that waited together time out within this time of each other. They share the first one's diagnosis, because
/// by the time of the second timeout the first waiter has released what it held.
const TOGETHER: Duration = Duration::from_millis(500);

/// How new the cause of a timeout is to its episode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Novelty {
    /// The timeout begins the episode.
    First,
    /// The cause is that of the timeout before.
    Same,
    /// The cause is another one.
    Changed,
}

impl Episodes {
    /// The diagnosis of an earlier timeout, if the acquire that began at `asked` was already waiting then.
    pub(crate) fn shared(&self, asked: Instant, now: Instant) -> Option<Arc<Diagnosis>> {
        let episode = sync::lock(&self.0);
        let episode = episode.as_ref()?;
        let together = asked < episode.diagnosed
            && now.saturating_duration_since(episode.diagnosed) <= TOGETHER;
        together.then(|| Arc::clone(&episode.diagnosis))
    }

    /// Records that an acquire timed out when the pool had granted `granted` permits.
    pub(crate) fn timed_out(
        &self,
        diagnosis: &Arc<Diagnosis>,
        granted: u64,
        now: Instant,
    ) -> Novelty {
        let mut episode = sync::lock(&self.0);
        let Some(episode) = &mut *episode else {
            *episode = Some(Episode {
                since: now,
                timeouts: 1,
                diagnosis: Arc::clone(diagnosis),
                diagnosed: now,
                last: now,
                granted,
            });
            return Novelty::First;
        };
        episode.timeouts += 1;
        episode.last = now;
        episode.granted = granted;
        if Arc::ptr_eq(&episode.diagnosis, diagnosis) {
            return Novelty::Same;
        }
        let before = std::mem::replace(&mut episode.diagnosis, Arc::clone(diagnosis));
        episode.diagnosed = now;
        if before.verdict == diagnosis.verdict {
            Novelty::Same
        } else {
            Novelty::Changed
        }
    }

    /// The diagnosis of the last timeout of the present episode.
    pub(crate) fn diagnosis(&self) -> Option<Arc<Diagnosis>> {
        let episode = sync::lock(&self.0);
        episode.as_ref().map(|it| Arc::clone(&it.diagnosis))
    }

    /// Whether there is an episode whose cause is that the server is full.
    pub(crate) fn has_full_server(&self) -> bool {
        let episode = sync::lock(&self.0);
        episode
            .as_ref()
            .is_some_and(|episode| episode.diagnosis.server_is_full)
    }

    /// Whether there is an episode.
    pub(crate) fn is_on(&self) -> bool {
        sync::lock(&self.0).is_some()
    }

    /// Ends the episode once every acquire that waited at the last timeout has been served or has given up.
    ///
    /// `asked` is when the oldest acquire that waits now began. `granted` is the number of permits granted so far.
    pub(crate) fn end(
        &self,
        asked: Option<Instant>,
        granted: u64,
        acquire_timeout: Duration,
        now: Instant,
    ) -> Option<Episode> {
        let mut episode = sync::lock(&self.0);
        episode.take_if(|episode| {
            let waits_since_then = asked.is_some_and(|asked| asked <= episode.last);
            let quiet = if episode.was_served(granted) && !waits_since_then {
                OVER_AFTER
            } else {
                // By then an acquire that was retried at once has timed out again.
                acquire_timeout.saturating_add(OVER_AFTER)
            };
            now.saturating_duration_since(episode.last) >= quiet
        })
    }
}

impl Episode {
    /// Whether a permit was granted since the last timeout.
    pub(crate) fn was_served(&self, granted: u64) -> bool {
        granted > self.granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(100);
    const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);

    /// A pool in which an acquire timed out at this time, before any permit was granted.
    fn dry() -> (Episodes, Instant) {
        let (cause, now) = ("no answer", Instant::now());
        let diagnosis = Diagnosis::new(Verdict::Unreachable, Certainty::Likely, cause);
        let episodes = Episodes::default();
        episodes.timed_out(&Arc::new(diagnosis), 0, now);
        (episodes, now)
    }

    fn ends(episodes: &Episodes, asked: Option<Instant>, granted: u64, now: Instant) -> bool {
        let ended = episodes.end(asked, granted, ACQUIRE_TIMEOUT, now);
        ended.is_some()
    }

    #[test]
    fn one_attempt_after_the_other_is_one_episode() {
        let (episodes, last) = dry();
        let next = last + ACQUIRE_TIMEOUT + MOMENT;
        assert!(!ends(&episodes, Some(last + MOMENT), 0, next));
        assert!(!ends(&episodes, None, 0, next), "between two attempts");
        let over = next + OVER_AFTER;
        assert!(ends(&episodes, None, 0, over), "no acquire waits any more");
    }

    #[test]
    fn it_is_over_when_those_who_waited_are_served() {
        let asked = Instant::now();
        let (episodes, last) = dry();
        let soon = last + OVER_AFTER;
        let served = 1;
        let (before, after) = (Some(asked), Some(last + MOMENT));
        assert!(
            !ends(&episodes, None, served, last + MOMENT),
            "others may time out"
        );
        assert!(!ends(&episodes, before, served, soon), "one still waits");
        assert!(ends(&episodes, after, served, soon), "that is another");
    }

    #[test]
    fn however_long_an_acquire_may_wait() {
        let (episodes, last) = dry();
        let ended = episodes.end(None, 0, Duration::MAX, last + OVER_AFTER);
        assert!(ended.is_none());
    }
}
