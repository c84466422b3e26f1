//! Whether a pool serves those who ask, as the ends of its acquires show it.
//!
//! Nothing is noted of an acquire that is served: the number of permits granted so far tells whether one was.

use std::fmt;
use std::io;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use sqlx::Error;

use super::aftermath::code_of;
use super::full_server;
use crate::finding::{Certainty, Verdict};
use crate::snapshot::HealthStatus;
use crate::sync;

/// A pool that ran dry is not dry any more after this time without a long wait and without a timeout.
const CALM: Duration = Duration::from_secs(5);

/// The longest code is a number with an SQLSTATE: `1040 (08004)`.
const MOST_OF_A_CODE: usize = 16;

/// What is known of one pool.
#[derive(Debug, Default)]
pub(crate) struct Service(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    unserved: Option<Unserved>,
    dry: Option<Dry>,
    closed: Option<Instant>,
    told: Option<Told>,
}

/// Acquires that got no connection although a permit was free, one after the other, with none that was served in between.
#[derive(Clone, Debug)]
pub(crate) struct Unserved {
    /// When the first of them began to wait.
    pub(crate) since: Instant,
    /// When the last of them ended, or was seen to wait.
    pub(crate) last: Instant,
    /// Why no connection can be made, if one of them has shown it.
    pub(crate) refusal: Option<Refusal>,
    /// The number of permits that the pool had granted.
    granted: u64,
}

/// A time in which no permit was free for those who asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dry {
    pub(crate) since: Instant,
    /// The last timeout, or when a long wait was last seen.
    pub(crate) last: Instant,
    pub(crate) verdict: Option<(Verdict, Certainty)>,
}

/// What the last check has said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    pub(crate) status: HealthStatus,
    pub(crate) since: Instant,
}

/// Why no connection is made. Its words are ours: the text of an error may name a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    ServerIsFull,
    NoAnswer,
    Io(io::ErrorKind),
    /// The server has answered with this code.
    Code(String),
    Tls,
    Other,
}

impl Refusal {
    /// Why a connect failed with `error`; `None` if that says nothing about the server.
    pub(crate) fn of(error: &Error) -> Option<Self> {
        Some(match error {
            Error::PoolClosed | Error::PoolTimedOut => return None,
            error if full_server::is_full(error) => Refusal::ServerIsFull,
            Error::Io(error) => Refusal::Io(error.kind()),
            Error::Database(error) => Refusal::of_code(code_of(&**error)),
            Error::Tls(_) => Refusal::Tls,
            _ => Refusal::Other,
        })
    }

    /// The server has chosen the code: only what looks like one is repeated.
    fn of_code(code: String) -> Self {
        let is_code = |it: char| it.is_ascii_alphanumeric() || " ()".contains(it);
        if (1..=MOST_OF_A_CODE).contains(&code.len()) && code.chars().all(is_code) {
            Refusal::Code(code)
        } else {
            Refusal::Other
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::ServerIsFull => f.write_str("the server is full"),
            Refusal::NoAnswer => f.write_str("the server does not answer a connect"),
            Refusal::Io(kind) => write!(f, "a connect fails: {kind}"),
            Refusal::Code(code) => write!(f, "the server refuses a connect with the code {code}"),
            Refusal::Tls => f.write_str("a connect fails: no TLS session"),
            Refusal::Other => f.write_str("a connect fails"),
        }
    }
}

/// An acquire that got no connection.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) asked: Instant,
    /// The numbers of permits that the pool had granted when it asked, and has granted now.
    pub(crate) granted_before: u64,
    pub(crate) granted: u64,
    pub(crate) shows: Shows,
}

/// What an acquire that got no connection shows.
#[derive(Clone, Debug)]
pub(crate) enum Shows {
    /// Nothing beyond that.
    NoConnection,
    /// Why, as it was inferred.
    Inferred(Refusal),
    /// The error of a connect.
    Failed(Refusal),
}

impl Service {
    /// Records an acquire that has got no connection by `now`, although a permit was free.
    pub(crate) fn unserved(&self, attempt: Attempt, now: Instant) {
        let waited_alone = attempt.granted_before == attempt.granted;
        let known = &mut *sync::lock(&self.0);
        let unserved = match &mut known.unserved {
            Some(unserved) if unserved.granted == attempt.granted => unserved,
            // Others were served during its wait: that a connect failed counts from now on, its wait not at all.
            _ if !waited_alone && !matches!(attempt.shows, Shows::Failed(_)) => return,
            slot => slot.insert(Unserved {
                since: if waited_alone { attempt.asked } else { now },
                last: now,
                refusal: None,
                granted: attempt.granted,
            }),
        };
        unserved.last = now;
        match attempt.shows {
            Shows::NoConnection => {}
            Shows::Inferred(refusal) => {
                unserved.refusal.get_or_insert(refusal);
            }
            Shows::Failed(refusal) => unserved.refusal = Some(refusal),
        }
    }

    /// Records that an acquire which asked at `asked` has not had a permit by `now`.
    pub(crate) fn dry(&self, asked: Instant, verdict: Option<(Verdict, Certainty)>, now: Instant) {
        let known = &mut *sync::lock(&self.0);
        let before = known.dry.filter(|dry| dry.is_on(now));
        known.dry = Some(Dry {
            since: before.map_or(asked, |dry| dry.since),
            last: now,
            verdict: verdict.or(before.and_then(|dry| dry.verdict)),
        });
    }

    /// Records that the pool is closed.
    pub(crate) fn closes(&self, now: Instant) {
        sync::lock(&self.0).closed.get_or_insert(now);
    }

    pub(crate) fn closed_at(&self) -> Option<Instant> {
        sync::lock(&self.0).closed
    }

    /// The acquires that got no connection, if none was served since. `granted` is the number of permits granted so far.
    pub(crate) fn is_unserved(&self, granted: u64) -> Option<Unserved> {
        let known = sync::lock(&self.0);
        let unserved = known.unserved.as_ref();
        unserved.filter(|it| it.granted == granted).cloned()
    }

    pub(crate) fn is_dry(&self, now: Instant) -> Option<Dry> {
        let known = sync::lock(&self.0);
        known.dry.filter(|dry| dry.is_on(now))
    }

    pub(crate) fn told(&self) -> Option<Told> {
        sync::lock(&self.0).told
    }

    /// Records what a check says. Returns since when checks have said that: since `since`, if this is the first.
    pub(crate) fn tell(&self, status: HealthStatus, since: Instant) -> Instant {
        let known = &mut *sync::lock(&self.0);
        match known.told {
            Some(told) if told.status == status => told.since,
            _ => known.told.insert(Told { status, since }).since,
        }
    }
}

impl Dry {
    fn is_on(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last) < CALM
    }
}
