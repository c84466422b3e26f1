//! What an acquire that has got no permit shows about its pool.

use std::time::Instant;

use sqlx::Error;

use super::Handle;
use crate::finding::{Certainty, Verdict};
use crate::pool_state::episode::Diagnosis;
use crate::pool_state::service::{Attempt, Refusal, Shows};
use crate::snapshot::Activity;

impl Handle {
    /// Records that the acquire has failed with `error`, after it was judged.
    pub(crate) fn acquire_failed(&self, error: &Error) {
        let now = Instant::now();
        if let Error::PoolTimedOut = error {
            let diagnosis = self.pool.episodes.diagnosis();
            self.note_unserved(diagnosis.as_deref(), now);
        } else if let Some(refusal) = Refusal::of(error) {
            if refusal == Refusal::ServerIsFull {
                let verdict = (Verdict::Unreachable, Certainty::Certain);
                self.pool.service.dry(self.asked, Some(verdict), now);
            }
            self.note_attempt(Shows::Failed(refusal), now);
        }
    }

    /// Records that the acquire was given up. One that has hardly waited shows nothing.
    pub(super) fn acquire_given_up(&self) {
        let now = Instant::now();
        if self.has_waited(now) >= self.pool.limits.long_wait() {
            self.note_unserved(None, now);
        }
    }

    /// Records that the acquire has no permit by `now`, for the reason that is known.
    ///
    /// Where every permit is taken, the pool is dry. Where a permit is free and nobody was served meanwhile, no connection comes.
    pub(crate) fn note_unserved(&self, why: Option<&Diagnosis>, now: Instant) {
        let pool = &self.pool;
        let verdict = why.map(|why| (why.verdict, why.certainty));
        let is_alone = self.granted_before == pool.granted();
        let shows = match why {
            Some(why) if why.server_is_full => {
                pool.service.dry(self.asked, verdict, now);
                Some(Shows::Inferred(Refusal::ServerIsFull))
            }
            Some(why) if why.verdict == Verdict::Unreachable => {
                Some(Shows::Inferred(Refusal::NoAnswer))
            }
            Some(why) if why.verdict != Verdict::Unknown => None,
            _ => pool.has_free_permits().then_some(Shows::NoConnection),
        };
        match shows {
            Some(shows) if is_alone => self.note_attempt(shows, now),
            // Others are served, and this one waits for a further connection.
            Some(Shows::NoConnection) => {}
            _ => pool.service.dry(self.asked, verdict, now),
        }
    }

    fn note_attempt(&self, shows: Shows, now: Instant) {
        let attempt = Attempt {
            asked: self.asked,
            granted_before: self.granted_before,
            granted: self.pool.granted(),
            shows,
        };
        self.pool.service.unserved(attempt, now);
    }

    /// When the server last answered a statement on the connection, which has worked since then.
    pub(crate) fn answered_at(&self) -> Option<Instant> {
        let state = self.state();
        let answers = state.statements > 0 && state.unread.is_none() && !self.is_broken();
        (answers && state.activity == Activity::Idle).then_some(state.since)
    }
}
