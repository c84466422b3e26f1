//! Durations in buckets.

use std::time::Duration;

#[cfg(feature = "serde")]
use crate::millis::millis;

/// A distribution of durations.
///
/// Durations are counted in fixed buckets, sixteen for each doubling from 1 µs to 137 s. A percentile read from them is
/// within 3.2 % of the true one. Shorter and longer durations count in the first and the last bucket. Total, minimum
/// and maximum are exact.
///
/// Serialised, it has the percentiles in place of the buckets: `count`, `total_ms`, `mean_ms`, `min_ms`, `p50_ms`, `p95_ms`,
/// `p99_ms` and `max_ms`. Who needs the buckets serialises `buckets`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timing {
    /// The number of durations.
    pub count: u64,
    /// Their sum.
    pub total: Duration,
    /// The shortest duration; zero if there is none.
    pub min: Duration,
    /// The longest duration; zero if there is none.
    pub max: Duration,
    /// The buckets that are not empty, shortest first.
    pub buckets: Vec<Bucket>,
}

/// The number of durations between two bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Bucket {
    /// The lower bound, inclusive.
    #[cfg_attr(
        feature = "serde",
        serde(
            rename = "from_ms",
            serialize_with = "crate::millis::serialize_exactly"
        )
    )]
    pub from: Duration,
    /// The upper bound, exclusive.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "to_ms", serialize_with = "crate::millis::serialize_exactly")
    )]
    pub to: Duration,
    /// The number of durations.
    pub count: u64,
}

impl Timing {
    /// These durations and others.
    #[cfg(feature = "track")]
    pub(crate) fn with(mut self, others: &Timing) -> Timing {
        if self.count == 0 || others.count == 0 {
            return if self.count == 0 {
                others.clone()
            } else {
                self
            };
        }
        self.count += others.count;
        self.total += others.total;
        self.min = self.min.min(others.min);
        self.max = self.max.max(others.max);
        for other in &others.buckets {
            let at = self.buckets.binary_search_by_key(&other.from, |it| it.from);
            match at {
                Ok(at) => self.buckets[at].count += other.count,
                Err(at) => self.buckets.insert(at, *other),
            }
        }
        self
    }

    /// The median.
    pub fn p50(&self) -> Duration {
        self.quantile(0.50)
    }

    /// The duration that 95 of 100 did not exceed.
    pub fn p95(&self) -> Duration {
        self.quantile(0.95)
    }

    /// The duration that 99 of 100 did not exceed.
    pub fn p99(&self) -> Duration {
        self.quantile(0.99)
    }

    /// The mean; zero if there are no durations.
    pub fn mean(&self) -> Duration {
        match self.count {
            0 => Duration::ZERO,
            // A mean in nanoseconds fits: 2^64 ns are 584 years.
            count => Duration::from_nanos(
                u64::try_from(self.total.as_nanos() / u128::from(count)).unwrap_or(u64::MAX),
            ),
        }
    }

    /// The duration that the given share (0.0 to 1.0) did not exceed; zero if there are no durations.
    ///
    /// [`Timing`] states the error.
    pub fn quantile(&self, share: f64) -> Duration {
        let counted: u64 = self.buckets.iter().map(|bucket| bucket.count).sum();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            clippy::cast_sign_loss,
            reason = "a rank is a rounded share of a count"
        )]
        let rank = ((share.clamp(0.0, 1.0) * counted as f64).ceil() as u64).max(1);
        let mut seen = 0;
        for bucket in &self.buckets {
            seen += bucket.count;
            if seen >= rank {
                // Not `clamp`, which panics where a duration was being counted when the bounds were read.
                let middle = (bucket.from + bucket.to) / 2;
                return middle.min(self.max).max(self.min);
            }
        }
        Duration::ZERO
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Timing {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let times = [
            ("total_ms", self.total),
            ("mean_ms", self.mean()),
            ("min_ms", self.min),
            ("p50_ms", self.p50()),
            ("p95_ms", self.p95()),
            ("p99_ms", self.p99()),
            ("max_ms", self.max),
        ];
        let mut timing = serializer.serialize_struct("Timing", 1 + times.len())?;
        timing.serialize_field("count", &self.count)?;
        for (name, time) in times {
            timing.serialize_field(name, &millis(time))?;
        }
        timing.end()
    }
}
