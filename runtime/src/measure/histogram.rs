//! Durations in fixed log-linear buckets, counted without a lock.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use once_cell::sync::OnceCell;

use crate::measure::units::nanos;
use crate::snapshot::{Bucket, Timing};

/// The first bucket begins at 2^10 ns, about 1 µs.
const FIRST_OCTAVE: u32 = 10;
/// The last bucket ends at 2^37 ns, about 137 s.
const LAST_OCTAVE: u32 = 37;
/// Sixteen buckets for each doubling: the middle of a bucket differs by at most 1/32 from any duration in it.
const SUB_BITS: u32 = 4;
const BUCKETS: usize = ((LAST_OCTAVE - FIRST_OCTAVE) << SUB_BITS) as usize;

/// A histogram of durations. It takes 3.4 KiB once something was recorded.
#[derive(Debug)]
pub(crate) struct Histogram {
    total: AtomicU64,
    min: AtomicU64,
    max: AtomicU64,
    buckets: OnceCell<Box<[AtomicU64]>>,
}

impl Histogram {
    pub(crate) const fn new() -> Self {
        Self {
            total: AtomicU64::new(0),
            min: AtomicU64::new(u64::MAX),
            max: AtomicU64::new(0),
            buckets: OnceCell::new(),
        }
    }

    pub(crate) fn record(&self, duration: Duration) {
        let nanos = nanos(duration);
        let buckets = self
            .buckets
            .get_or_init(|| (0..BUCKETS).map(|_| AtomicU64::new(0)).collect());
        // Relaxed: the counters are independent and publish no other memory.
        buckets[bucket_of(nanos)].fetch_add(1, Relaxed);
        self.total.fetch_add(nanos, Relaxed);
        // Most durations are neither minimum nor maximum, and a plain load costs less than a read-modify-write.
        if nanos < self.min.load(Relaxed) {
            self.min.fetch_min(nanos, Relaxed);
        }
        if nanos > self.max.load(Relaxed) {
            self.max.fetch_max(nanos, Relaxed);
        }
    }

    /// The sum of the durations.
    pub(crate) fn total(&self) -> Duration {
        Duration::from_nanos(self.total.load(Relaxed))
    }

    pub(crate) fn read(&self) -> Timing {
        self.read_with_zeros(0)
    }

    /// Reads the histogram with `zeros` more durations of zero, which were counted elsewhere.
    pub(crate) fn read_with_zeros(&self, zeros: u64) -> Timing {
        let mut timing = Timing::default();
        let buckets = self.buckets.get().map_or(&[][..], |buckets| buckets);
        let counts = buckets.iter().map(|count| count.load(Relaxed));
        // Without recorded durations, the zeros need a first bucket.
        let counts = counts.chain(buckets.is_empty().then_some(0));
        for (index, count) in counts.enumerate() {
            let count = count + if index == 0 { zeros } else { 0 };
            if count > 0 {
                timing.count += count;
                timing.buckets.push(Bucket {
                    from: lower_bound(index),
                    to: lower_bound(index + 1),
                    count,
                });
            }
        }
        timing.total = self.total();
        timing.min = Duration::from_nanos(match self.min.load(Relaxed) {
            _ if zeros > 0 => 0,
            u64::MAX => 0,
            min => min,
        });
        timing.max = Duration::from_nanos(self.max.load(Relaxed));
        timing
    }

    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>()
            + self
                .buckets
                .get()
                .map_or(0, |buckets| size_of_val(&**buckets))
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

fn bucket_of(nanos: u64) -> usize {
    let nanos = nanos.clamp(1 << FIRST_OCTAVE, (1 << LAST_OCTAVE) - 1);
    let octave = nanos.ilog2();
    let sub = (nanos >> (octave - SUB_BITS)) & ((1 << SUB_BITS) - 1);
    (((octave - FIRST_OCTAVE) << SUB_BITS) as usize)
        + usize::try_from(sub).expect("BUG: a sub-bucket is below sixteen")
}

fn lower_bound(index: usize) -> Duration {
    let octave = FIRST_OCTAVE as usize + (index >> SUB_BITS);
    let sub = (index & ((1 << SUB_BITS) - 1)) as u64;
    Duration::from_nanos(((1 << SUB_BITS) + sub) << (octave - SUB_BITS as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_lies_in_its_bucket() {
        for nanos in (0..27)
            .flat_map(|octave| [0, 1, 7, 63].map(|step| (1024_u64 << octave) + (step << octave)))
        {
            let index = bucket_of(nanos);
            let value = Duration::from_nanos(nanos);
            assert!(
                lower_bound(index) <= value && value < lower_bound(index + 1),
                "{nanos} ns in bucket {index}"
            );
        }
    }

    #[test]
    fn a_percentile_is_within_the_stated_error() {
        let histogram = Histogram::new();
        let true_p95 = Duration::from_millis(95);
        for micros in 1..=100_000 {
            histogram.record(Duration::from_micros(micros));
        }
        let read = histogram.read();
        let error = read.p95().as_secs_f64() / true_p95.as_secs_f64() - 1.0;
        assert!(error.abs() < 0.032, "error {error}");
        assert_eq!(
            (read.count, read.min, read.max),
            (
                100_000,
                Duration::from_micros(1),
                Duration::from_millis(100)
            )
        );
        assert!(histogram.bytes() <= 4096, "{} bytes", histogram.bytes());
    }

    #[test]
    fn extremes_count_in_the_outer_buckets() {
        let histogram = Histogram::new();
        histogram.record(Duration::ZERO);
        histogram.record(Duration::from_secs(100_000));
        let read = histogram.read();
        assert_eq!(read.count, 2);
        assert_eq!(
            (read.min, read.max),
            (Duration::ZERO, Duration::from_secs(100_000))
        );
    }
}
