//! Connects of our own beside an acquire that waits for a server.
//!
//! sqlx retries a refused connect and does not report its error.

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::full_server;
use crate::sync;

/// The least time between two connects of one pool.
const INTERVAL: Duration = Duration::from_mins(1);
/// The same, if a permit was granted in between.
const INTERVAL_AFTER_GRANT: Duration = Duration::from_secs(5);

/// The last connect of one pool.
#[derive(Debug, Default)]
pub(crate) struct ConnectProbes(Mutex<Option<ConnectProbe>>);

/// A connect beside an acquire.
#[derive(Clone, Debug)]
pub(crate) struct ConnectProbe {
    pub(crate) began: Instant,
    ended: Option<Instant>,
    /// The number of permits that the pool had granted at `began`.
    granted: u64,
    pub(crate) answer: Answer,
}

/// The result of a connect.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// The connect is still running.
    Open,
    /// The connect was dropped after this time, together with the acquire beside which it ran.
    GivenUp(Duration),
    Connected,
    /// The connect failed with this error.
    Failed(String),
    /// The connect failed with this error because the server is full. The probe may be one too many.
    Full(String),
}

impl ConnectProbe {
    /// Whether it ran during a wait that began at `asked`, or during a part of that wait.
    pub(crate) fn ran_beside(&self, asked: Instant) -> bool {
        self.ended.is_none_or(|ended| ended >= asked)
    }
}

impl Answer {
    fn of(result: Result<(), sqlx::Error>) -> Self {
        match result {
            Ok(()) => Answer::Connected,
            Err(error) if full_server::is_full(&error) => Answer::Full(error.to_string()),
            Err(error) => Answer::Failed(error.to_string()),
        }
    }
}

impl ConnectProbes {
    fn last(&self) -> MutexGuard<'_, Option<ConnectProbe>> {
        sync::lock(&self.0)
    }

    /// Whether a connect may begin at `now`, when the pool has granted `granted` permits. If so, it counts as begun.
    pub(crate) fn begin(&self, now: Instant, granted: u64) -> bool {
        let mut last = self.last();
        let may = last.as_ref().is_none_or(|last| {
            let interval = if last.granted == granted {
                INTERVAL
            } else {
                INTERVAL_AFTER_GRANT
            };
            now.saturating_duration_since(last.began) >= interval
        });
        if may {
            *last = Some(ConnectProbe {
                began: now,
                ended: None,
                granted,
                answer: Answer::Open,
            });
        }
        may
    }

    pub(crate) fn end(&self, now: Instant, result: Result<(), sqlx::Error>) {
        if let Some(probe) = &mut *self.last() {
            probe.ended = Some(now);
            probe.answer = Answer::of(result);
        }
    }

    /// Marks the connect as given up, unless it has ended.
    pub(crate) fn give_up(&self, now: Instant) {
        if let Some(probe) = &mut *self.last()
            && let Answer::Open = probe.answer
        {
            probe.ended = Some(now);
            probe.answer = Answer::GivenUp(now.saturating_duration_since(probe.began));
        }
    }

    /// Forgets the last connect: acquires are served again, and it is no evidence for a later timeout.
    pub(crate) fn forget(&self) {
        *self.last() = None;
    }

    /// The last connect, if it is evidence for a wait that began at `asked`.
    ///
    /// It is, if it ran during the wait, or if no permit was granted since it began.
    pub(crate) fn during(&self, asked: Instant, granted: u64) -> Option<ConnectProbe> {
        self.last()
            .clone()
            .filter(|probe| probe.ran_beside(asked) || probe.granted == granted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn failed() -> Result<(), sqlx::Error> {
        Err(sqlx::Error::Protocol("refused".to_owned()))
    }

    #[test]
    fn it_is_evidence_for_the_wait_beside_which_it_ran() {
        let (probes, asked) = (ConnectProbes::default(), Instant::now());
        assert!(probes.during(asked, 0).is_none());
        assert!(probes.begin(asked + SECOND, 0));
        assert!(probes.during(asked, 0).is_some(), "it runs");
        probes.end(asked + 2 * SECOND, failed());
        assert!(probes.during(asked, 7).is_some(), "others were served");
    }

    #[test]
    fn it_is_evidence_for_a_later_wait_until_a_permit_is_granted() {
        let (probes, begun) = (ConnectProbes::default(), Instant::now());
        assert!(probes.begin(begun, 3));
        probes.end(begun + SECOND, failed());
        let probe = probes.during(begun + 2 * SECOND, 3).unwrap();
        assert!(probe.ran_beside(begun) && !probe.ran_beside(begun + 2 * SECOND));
        assert!(probes.during(begun + 2 * SECOND, 4).is_none());
    }

    #[test]
    fn it_is_made_once_a_minute_and_sooner_after_a_grant() {
        let (probes, begun) = (ConnectProbes::default(), Instant::now());
        assert!(probes.begin(begun, 0));
        assert!(!probes.begin(begun + 59 * SECOND, 0));
        assert!(!probes.begin(begun + 4 * SECOND, 1));
        assert!(probes.begin(begun + 5 * SECOND, 1));
        assert!(probes.begin(begun + 65 * SECOND, 1));
        probes.forget();
        assert!(probes.begin(begun + 66 * SECOND, 1));
    }
}
