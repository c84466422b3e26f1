//! Connects of our own beside an acquire that waits for a server: sqlx keeps the error to itself and retries.

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use sqlx::error::DatabaseError;

use crate::sync;

/// One connect in this time and pool,
const AT_MOST_EVERY: Duration = Duration::from_mins(1);
/// or in this, where somebody was served in between.
const ANEW_AFTER: Duration = Duration::from_secs(5);

/// What the last one showed.
#[derive(Debug, Default)]
pub(crate) struct ConnectProbes(Mutex<Option<ConnectProbe>>);

#[derive(Clone, Debug)]
pub(crate) struct ConnectProbe {
    pub(crate) began: Instant,
    ended: Option<Instant>,
    /// How many permits had been granted before.
    granted: u64,
    pub(crate) answer: Answer,
}

#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// It has not ended.
    Open,
    /// It was given up after this time, with the acquire beside which it ran.
    GivenUp(Duration),
    Connected,
    /// The error.
    Failed(String),
    /// The error of a server that has too many connections: this one may have been the one too many.
    Crowded(String),
}

impl ConnectProbe {
    /// Whether it ran, for a while at least, beside a wait that began at `asked`.
    pub(crate) fn ran_beside(&self, asked: Instant) -> bool {
        self.ended.is_none_or(|ended| ended >= asked)
    }
}

/// `too_many_connections` of PostgreSQL, and of MySQL.
const TOO_MANY: [&str; 2] = ["53300", "08004"];

impl Answer {
    fn of(result: Result<(), sqlx::Error>) -> Self {
        let Err(error) = result else {
            return Answer::Connected;
        };
        let code = error.as_database_error().and_then(DatabaseError::code);
        if code.is_some_and(|code| TOO_MANY.contains(&&*code)) {
            Answer::Crowded(error.to_string())
        } else {
            Answer::Failed(error.to_string())
        }
    }
}

impl ConnectProbes {
    fn last(&self) -> MutexGuard<'_, Option<ConnectProbe>> {
        sync::lock(&self.0)
    }

    /// Whether one may begin now, after so many permits were granted; it then has.
    pub(crate) fn begin(&self, now: Instant, granted: u64) -> bool {
        let mut last = self.last();
        let may = last.as_ref().is_none_or(|last| {
            let distance = if last.granted == granted {
                AT_MOST_EVERY
            } else {
                ANEW_AFTER
            };
            now.saturating_duration_since(last.began) >= distance
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

    /// It is given up, unless it has ended.
    pub(crate) fn give_up(&self, now: Instant) {
        if let Some(probe) = &mut *self.last()
            && let Answer::Open = probe.answer
        {
            probe.ended = Some(now);
            probe.answer = Answer::GivenUp(now.saturating_duration_since(probe.began));
        }
    }

    /// The pool is served again: what the last one showed is over, and the next time is another matter.
    pub(crate) fn forget(&self) {
        *self.last() = None;
    }

    /// The last one, if it tells of a wait that began at `asked`: it ran meanwhile, or nobody was served since.
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
    fn it_tells_of_the_wait_beside_which_it_ran() {
        let (probes, asked) = (ConnectProbes::default(), Instant::now());
        assert!(probes.during(asked, 0).is_none());
        assert!(probes.begin(asked + SECOND, 0));
        assert!(probes.during(asked, 0).is_some(), "it runs");
        probes.end(asked + 2 * SECOND, failed());
        assert!(probes.during(asked, 7).is_some(), "others were served");
    }

    #[test]
    fn it_tells_of_a_later_wait_until_somebody_is_served() {
        let (probes, begun) = (ConnectProbes::default(), Instant::now());
        assert!(probes.begin(begun, 3));
        probes.end(begun + SECOND, failed());
        let probe = probes.during(begun + 2 * SECOND, 3).unwrap();
        assert!(probe.ran_beside(begun) && !probe.ran_beside(begun + 2 * SECOND));
        assert!(probes.during(begun + 2 * SECOND, 4).is_none());
    }

    #[test]
    fn it_is_made_once_a_minute_and_sooner_where_somebody_was_served() {
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
