//! How an open transaction fails, and how the failure is reported once.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use sqlx::error::DatabaseError;

use super::begun::OpenTransaction;
use super::failure::{Failure, Sent};
use super::{Handle, State};
use crate::pool_state::aftermath::{Aftermath, code_of};
use crate::site::tally::Tally;

/// A failure that has not been reported, and the transaction that it concerns.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) failure: Failure,
    pub(crate) transaction: OpenTransaction,
    /// The number of statements sent since the failure.
    pub(crate) statements_since: u64,
    /// Whether code that is not seen may have used the connection since the failure.
    pub(crate) ran_unseen: bool,
}

impl Handle {
    /// Records an error of the server, if the transaction cannot go on after it.
    pub(crate) fn note_failure(&self, sent: Sent<'_>, error: &dyn DatabaseError) {
        let Some(aftermath) = self.pool.endpoint.system.aftermath(error, sent.sql) else {
            return;
        };
        let mut state = self.state();
        let statements_before = state.statements;
        if state.transactions_over {
            return;
        }
        let failure = Failure {
            aftermath,
            statement: sent.summary.to_owned(),
            place: sent.place,
            code: code_of(error),
            when: Instant::now(),
            candidates: 1,
            lost: state.last_write(),
            wrote_since: None,
            ran_unseen: false,
            statements_before,
        };
        match aftermath {
            Aftermath::MayBeRolledBack => state.suspect(failure),
            Aftermath::Refused => {
                if let Some(begun) = state.transactions.last_mut()
                    // The errors that follow from the first one say nothing new.
                    && begun.failure.is_none()
                {
                    begun.failure = Some(Box::new(failure));
                    self.has_failed.store(true, Relaxed);
                }
            }
            Aftermath::RolledBack => {
                if state.rolled_back_by(failure) {
                    self.has_failed.store(true, Relaxed);
                }
                state.note_end(true, self.pool.endpoint.system);
            }
        }
    }

    /// Whether the open transaction has a failure that was not reported.
    #[inline]
    pub(crate) fn has_failed(&self) -> bool {
        // Relaxed: only the task that uses the connection stores and loads it.
        self.has_failed.load(Relaxed)
    }

    /// The failure of the open transaction. Each is returned once.
    pub(crate) fn take_failure(&self) -> Option<Failed> {
        if !self.has_failed() {
            return None;
        }
        self.has_failed.store(false, Relaxed);
        let state = self.state();
        let failure = state.failure()?.clone();
        state.failed(failure)
    }

    /// The failure of a transaction that is over, because SQLite has answered its end that none is open. `None` if it was
    /// reported before, or if something else has ended the transaction.
    pub(crate) fn take_suspect(&self) -> Option<Failed> {
        let mut state = self.state();
        if state.transactions_over {
            return None;
        }
        let suspect = state.transactions.first_mut()?.suspect.take()?;
        let failed = state.failed(Failure {
            aftermath: Aftermath::RolledBack,
            ..*suspect
        });
        state.end_transactions();
        failed
    }

    pub(super) fn failure_may_be_over(&self, state: &State) {
        if state.failure().is_none() {
            self.has_failed.store(false, Relaxed);
        }
    }
}

impl State {
    /// What the server has failed the open transaction with, told or not.
    pub(super) fn failure(&self) -> Option<&Failure> {
        let mut open = self.transactions.iter();
        open.find_map(|begun| begun.failure.as_deref())
    }

    fn failed(&self, failure: Failure) -> Option<Failed> {
        let since = self.statements.saturating_sub(failure.statements_before);
        Some(Failed {
            statements_since: since,
            // Unseen code may also have ended what a text has begun, before the failure.
            ran_unseen: self.was_used_unseen()
                || failure.ran_unseen
                || self.begun_by_text().is_some_and(|begun| begun.ran_unseen),
            transaction: self.open_transaction()?,
            failure,
        })
    }

    /// The server has rolled back the whole transaction. Returns whether that is news.
    fn rolled_back_by(&mut self, failure: Failure) -> bool {
        let Some(begun) = self.transactions.first_mut() else {
            return false;
        };
        let is_news = begun.failure.is_none();
        if is_news {
            begun.failure = Some(Box::new(failure));
        }
        self.end_transactions();
        is_news
    }

    /// The server may have rolled back the transaction.
    fn suspect(&mut self, failure: Failure) {
        if let Some(begun) = self.transactions.first_mut() {
            let before = begun.suspect.take().map_or(0, |before| before.candidates);
            begun.suspect = Some(Box::new(Failure {
                candidates: before.saturating_add(1),
                ..failure
            }));
        }
    }

    /// Records that a statement has written after the server has rolled back the transaction, or may have.
    pub(super) fn note_write_after_failure(&mut self, tally: &'static Tally) {
        if let Some(begun) = self.transactions.first_mut()
            && let Some(failure) = begun.failure.as_mut().or(begun.suspect.as_mut())
        {
            failure.wrote_since = Some(tally);
        }
    }
}
