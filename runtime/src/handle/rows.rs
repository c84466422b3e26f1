//! Rows read from an open stream.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::measure::units::nanos;

/// Rows read from the open stream, and whether the database is being waited for. A store per row; a reader that wants to
/// date a row looks twice.
#[derive(Default)]
pub(super) struct StreamRows {
    rows: AtomicU64,
    /// Nanoseconds. While the consumer has a row: the database's time so far. While a row is awaited ([`AWAITED`]): the
    /// consumer's time so far.
    before: AtomicU64,
}

/// The bit of `rows` that says that the database is being waited for.
const AWAITED: u64 = 1 << 63;

impl StreamRows {
    /// A stream is opened, and its first row is awaited.
    pub(super) fn open_awaited(&self) {
        self.open(AWAITED);
    }

    /// A stream is opened, and the consumer has the turn.
    #[cfg(feature = "postgres")]
    pub(super) fn open_idle(&self) {
        self.open(0);
    }

    fn open(&self, rows: u64) {
        self.before.store(0, Relaxed);
        self.rows.store(rows, Relaxed);
    }

    /// The number of rows read so far; the consumer has the last one.
    pub(super) fn have(&self, rows: u64) {
        self.rows.store(rows, Relaxed);
    }

    /// The consumer awaits a row. It has taken `idle` itself so far.
    pub(super) fn begin_to_wait(&self, idle: Duration) {
        self.before.store(nanos(idle), Relaxed);
        self.rows.fetch_or(AWAITED, Relaxed);
    }

    /// The consumer has a row. The database has taken `busy` so far.
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

    /// Of the whole time that the stream is open, the part of the database.
    pub(super) fn busy(&self, whole: Duration) -> Duration {
        let before = Duration::from_nanos(self.before.load(Relaxed));
        if self.are_awaited() {
            whole.saturating_sub(before)
        } else {
            before.min(whole)
        }
    }
}
