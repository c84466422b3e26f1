//! What the program's observers are told of a claim: the end of its wait, and of its hold.

use std::time::{Duration, Instant};

use sqlx::Error;

use super::Handle;
use crate::observe::{self, HoldEnd, WaitEnd};
use crate::pool_state::counters::Hold;
use crate::snapshot::observed::WaitOutcome;

impl Handle {
    /// The wait has ended with a permit, after this time.
    #[inline]
    pub(super) fn tell_grant(&self, waited: Duration, has_connected: bool) {
        if observe::are_any() {
            self.tell_wait(WaitOutcome::Granted, waited, has_connected, None);
        }
    }

    /// The wait has ended without a permit: with an error, or because it was given up.
    pub(super) fn tell_failure(&self, error: Option<&Error>, has_connected: bool) {
        if observe::are_any() {
            let outcome = match error {
                None => WaitOutcome::Abandoned,
                Some(Error::PoolTimedOut) => WaitOutcome::TimedOut,
                Some(_) => WaitOutcome::Error,
            };
            self.tell_wait(outcome, self.asked.elapsed(), has_connected, error);
        }
    }

    fn tell_wait(
        &self,
        outcome: WaitOutcome,
        time: Duration,
        has_connected: bool,
        error: Option<&Error>,
    ) {
        observe::wait(&WaitEnd {
            pool: &self.pool,
            place: self.place,
            outcome,
            began: self.asked,
            time,
            has_connected,
            error,
        });
    }

    /// The permit, which was granted at `began`, was released.
    #[inline]
    pub(super) fn tell_hold(&self, began: Instant, hold: Hold, statements: u64) {
        if observe::are_any() {
            observe::hold(&HoldEnd {
                pool: &self.pool,
                place: self.place,
                began,
                hold,
                statements,
                reserved: self.reserved_for(),
            });
        }
    }
}
