//! What a request has spent with its databases.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::measure::units::nanos;
use crate::site::tally::Tally;
use crate::sync;

/// The sums of a request. Its scopes share them, also those that are roots of their own within it.
#[derive(Debug, Default)]
pub(crate) struct Spent {
    statements: AtomicU64,
    /// Nanoseconds.
    database: AtomicU64,
    /// Nanoseconds.
    waited: AtomicU64,
    /// The time of the longest statement, in nanoseconds.
    longest: AtomicU64,
    longest_tally: Mutex<Option<&'static Tally>>,
}

/// The sums at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sums {
    /// Statements begun.
    pub(crate) statements: u64,
    /// The sum of the times of its statements, also of those that ran at once.
    pub(crate) database: Duration,
    /// The sum of its waits for permits, also of those that ran at once.
    pub(crate) waited: Duration,
    pub(crate) longest: Option<(&'static Tally, Duration)>,
}

impl Spent {
    /// The sums of a scope: its own if it is a request, else those of the scope around it.
    pub(super) fn of(is_request: bool, around: Option<&Arc<Self>>) -> Option<Arc<Self>> {
        if is_request {
            return Some(Arc::default());
        }
        around.cloned()
    }

    pub(super) fn statement_begins(&self) {
        // Relaxed, here and below: the sums are independent and publish no other memory.
        self.statements.fetch_add(1, Relaxed);
    }

    /// Adds a statement that has ended, however it did.
    pub(crate) fn statement_ended(&self, tally: &'static Tally, time: Duration) {
        let time = nanos(time);
        self.database.fetch_add(time, Relaxed);
        if time < self.longest.load(Relaxed) {
            return;
        }
        let mut longest = sync::lock(&self.longest_tally);
        // Another thread may have been faster.
        if time >= self.longest.load(Relaxed) {
            self.longest.store(time, Relaxed);
            *longest = Some(tally.of_a_text());
        }
    }

    /// Adds a wait for a permit, whether or not it was granted.
    pub(crate) fn waited(&self, time: Duration) {
        self.waited.fetch_add(nanos(time), Relaxed);
    }

    pub(crate) fn sums(&self) -> Sums {
        let longest = sync::lock(&self.longest_tally);
        let longest = longest.map(|tally| (tally, self.longest.load(Relaxed)));
        Sums {
            statements: self.statements.load(Relaxed),
            database: Duration::from_nanos(self.database.load(Relaxed)),
            waited: Duration::from_nanos(self.waited.load(Relaxed)),
            longest: longest.map(|(tally, time)| (tally, Duration::from_nanos(time))),
        }
    }
}
