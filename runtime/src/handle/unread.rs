//! A statement that was dropped before its answer was read. The driver reads the rest before the connection is used
//! again, and also before it is free in its pool.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::site::tally::Tally;

/// A statement whose answer was not read to its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unread {
    pub(crate) tally: &'static Tally,
    /// The number of rows that were read.
    pub(crate) rows: u64,
    /// Whether any part of the answer was read.
    pub(crate) answered: bool,
}

/// When the return of a connection was polled last, in milliseconds since its permit was requested.
///
/// A return that reads rows is polled again and again, while one that waits for a silent server is polled once.
#[derive(Debug, Default)]
pub(super) struct Progress(AtomicU64);

/// The bit that is set while the return is being polled.
const POLLED_NOW: u64 = 1 << 63;

impl Progress {
    pub(super) fn begin_poll(&self, now: Duration) {
        self.0.store(millis(now) | POLLED_NOW, Relaxed);
    }

    pub(super) fn end_poll(&self, now: Duration) {
        self.0.store(millis(now), Relaxed);
    }

    /// When it was polled last; `None` while it is being polled.
    pub(super) fn last(&self) -> Option<Duration> {
        let last = self.0.load(Relaxed);
        (last & POLLED_NOW == 0).then(|| Duration::from_millis(last))
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX) & !POLLED_NOW
}
