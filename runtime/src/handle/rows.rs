//! The rows read from an open stream, and the time split between database and consumer.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::measure::units::nanos;

/// The number of rows read from the open stream, and whether its consumer waits for the database.
///
/// A row costs one store and no clock read. A reader that needs the time of the last row compares two looks.
#[derive(Default)]
pub(super) struct StreamRows {
    rows: AtomicU64,
    /// Nanoseconds. While the consumer has a row: the database's time so far. While a row is awaited ([`AWAITED`]): the
    /// consumer's time so far.
    before: AtomicU64,
}

/// The bit of `rows` that is set while the consumer waits for the database.
const AWAITED: u64 = 1 << 63;

impl StreamRows {
    /// Opens a stream whose consumer waits for the first row.
    pub(super) fn open_awaited(&self) {
        self.open(AWAITED);
    }

    /// Opens a stream whose consumer does not wait.
    #[cfg(feature = "postgres")]
    pub(super) fn open_idle(&self) {
        self.open(0);
    }

    fn open(&self, rows: u64) {
        self.before.store(0, Relaxed);
        self.rows.store(rows, Relaxed);
    }

    /// Sets the number of rows read so far. The consumer has the last one.
    pub(super) fn have(&self, rows: u64) {
        self.rows.store(rows, Relaxed);
    }

    /// Records that the consumer waits for a row. It has spent `idle` itself so far.
    pub(super) fn begin_to_wait(&self, idle: Duration) {
        self.before.store(nanos(idle), Relaxed);
        self.rows.fetch_or(AWAITED, Relaxed);
    }

    /// Records that the consumer has a row. The database has taken `busy` so far.
    pub(super) fn end_wait(&self, busy: Duration) {
        self.before.store(nanos(busy), Relaxed);
        self.rows.fetch_and(!AWAITED, Relaxed);
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows.load(Relaxed) & !AWAITED
    }

    pub(super) fn are_awaited(&self) -> bool {
        self.rows.load(Relaxed) & AWAITED != 0
    }

    /// The database's part of `whole`, the time that the stream has been open.
    pub(super) fn busy(&self, whole: Duration) -> Duration {
        let before = Duration::from_nanos(self.before.load(Relaxed));
        if self.are_awaited() {
            whole.saturating_sub(before)
        } else {
            before.min(whole)
        }
    }
}
