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
}

impl Waits {
    pub(crate) const fn new() -> Self {
        Self {
            at_once: AtomicU64::new(0),
            queued: AtomicU64::new(0),
            times: Histogram::new(),
        }
    }

    /// Counts a wait of zero.
    pub(crate) fn at_once(&self) {
        // Relaxed here and below: the counters are independent and publish no other memory.
        self.at_once.fetch_add(1, Relaxed);
    }

    /// Counts a wait in a queue.
    pub(crate) fn queued(&self, waited: Duration) {
        self.queued.fetch_add(1, Relaxed);
        self.times.record(waited);
    }

    /// The number of waits.
    pub(crate) fn count(&self) -> u64 {
        self.at_once.load(Relaxed) + self.queued.load(Relaxed)
    }

    pub(crate) fn read(&self) -> Timing {
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
        waits.queued(Duration::from_millis(5));
        for _ in 0..3 {
            waits.at_once();
        }
        waits.queued(Duration::ZERO);
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
        let alone = Waits::new();
        alone.at_once();
        assert_eq!(alone.read().count, 1, "no other waits");
    }
}
