//! How long permits were waited for. Nearly always the wait is zero.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::measure::histogram::Histogram;
use crate::snapshot::Timing;

/// The waits that have succeeded. A wait of zero costs one addition.
#[derive(Debug)]
pub(crate) struct Waits {
    at_once: AtomicU64,
    queued: AtomicU64,
    times: Histogram,
    /// Those in which a connection was opened.
    with_connect: Histogram,
}

impl Waits {
    pub(crate) const fn new() -> Self {
        Self {
            at_once: AtomicU64::new(0),
            queued: AtomicU64::new(0),
            times: Histogram::new(),
            with_connect: Histogram::new(),
        }
    }

    /// Counts a wait of zero.
    pub(crate) fn at_once(&self) {
        // Relaxed here and below: the counters are independent and publish no other memory.
        self.at_once.fetch_add(1, Relaxed);
    }

    /// Counts a wait in a queue, or for a connection that was opened.
    pub(crate) fn queued(&self, waited: Duration, has_connected: bool) {
        self.queued.fetch_add(1, Relaxed);
        if has_connected {
            self.with_connect.record(waited);
        } else {
            self.times.record(waited);
        }
    }

    /// The number of waits.
    pub(crate) fn count(&self) -> u64 {
        self.at_once.load(Relaxed) + self.queued.load(Relaxed)
    }

    pub(crate) fn read(&self) -> Timing {
        self.read_without_connect().with(&self.with_connect.read())
    }

    /// The waits in which a connection was opened.
    pub(crate) fn read_with_connect(&self) -> Timing {
        self.with_connect.read()
    }

    /// The other waits.
    pub(crate) fn read_without_connect(&self) -> Timing {
        self.times.read_with_zeros(self.at_once.load(Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_of_zero_counts_in_the_first_bucket() {
        let waits = Waits::new();
        assert_eq!(waits.read(), Timing::default());
        waits.queued(Duration::from_millis(5), false);
        for _ in 0..3 {
            waits.at_once();
        }
        waits.queued(Duration::ZERO, false);
        let read = waits.read();
        assert_eq!((waits.count(), read.count), (5, 5));
        assert_eq!(
            (read.min, read.max),
            (Duration::ZERO, Duration::from_millis(5))
        );
        assert_eq!(
            read.buckets[0].count, 4,
            "all waits of zero are in one bucket"
        );
        assert_eq!(read.buckets.len(), 2);
        waits.queued(Duration::from_millis(9), true);
        let (all, with) = (waits.read(), waits.read_with_connect());
        assert_eq!((waits.count(), all.count, with.count), (6, 6, 1));
        assert_eq!(
            (all.max, waits.read_without_connect()),
            (Duration::from_millis(9), read)
        );
        let alone = Waits::new();
        alone.at_once();
        assert_eq!(alone.read().count, 1, "no other waits");
    }
}
