//! The bounds of the buckets that the semantic conventions of OpenTelemetry name for database clients.

use crate::measure::units::nanos;
use crate::snapshot::Timing;

/// Of `db.client.operation.duration`, in milliseconds. The conventions name none for the other durations, which have the
/// same ones here.
pub(crate) const MILLIS: [u64; 9] = [1, 5, 10, 50, 100, 500, 1_000, 5_000, 10_000];
/// Of `db.client.response.returned_rows`.
pub(crate) const ROWS: [u64; 13] = [
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000,
];

/// The numbers of durations between the bounds [`MILLIS`], the longer ones last.
pub(crate) type ByTime = [u64; MILLIS.len() + 1];
/// The numbers of answers between the bounds [`ROWS`], the larger ones last.
pub(crate) type ByRows = [u64; ROWS.len() + 1];

/// The index in [`ByTime`].
#[inline]
pub(crate) fn of_nanos(nanos: u64) -> usize {
    const NANOS: [u64; MILLIS.len()] = {
        let mut all = MILLIS;
        let mut index = 0;
        while index < all.len() {
            all[index] *= 1_000_000;
            index += 1;
        }
        all
    };
    let fits = NANOS.iter().position(|bound| nanos <= *bound);
    fits.unwrap_or(MILLIS.len())
}

/// The index in [`ByRows`].
#[inline]
pub(crate) fn of_rows(rows: u64) -> usize {
    let fits = ROWS.iter().position(|bound| rows <= *bound);
    fits.unwrap_or(ROWS.len())
}

/// The same durations between the bounds. A bucket that lies on both sides of a bound is counted on the side of its middle,
/// so that only durations within 3.2 % of a bound can be on the wrong side.
pub(crate) fn fold(timing: &Timing) -> ByTime {
    let mut folded = ByTime::default();
    for bucket in &timing.buckets {
        folded[of_nanos(nanos((bucket.from + bucket.to) / 2))] += bucket.count;
    }
    folded
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::measure::histogram::Histogram;

    #[test]
    fn bounds_are_inclusive() {
        assert_eq!(of_nanos(0), 0);
        for (index, bound) in MILLIS.into_iter().enumerate() {
            let bound = nanos(Duration::from_millis(bound));
            assert_eq!(of_nanos(bound), index);
            assert_eq!(of_nanos(bound + 1), index + 1);
        }
        assert_eq!(
            [0, 1, 2, 3, 10_000, 10_001].map(of_rows),
            [0, 0, 1, 2, 12, 13]
        );
    }

    #[test]
    fn only_durations_near_a_bound_can_be_on_its_wrong_side() {
        for step in 0..20_000_u32 {
            let time = Duration::from_micros(1).mul_f64(1.001_f64.powf(f64::from(step)));
            let histogram = Histogram::new();
            histogram.record(time);
            let folded = fold(&histogram.read());
            let (is, exact) = (folded.iter().position(|it| *it == 1), of_nanos(nanos(time)));
            let near = MILLIS.iter().any(|bound| {
                let bound = Duration::from_millis(*bound);
                (time.as_secs_f64() / bound.as_secs_f64() - 1.0).abs() < 0.032
            });
            assert!(is == Some(exact) || near, "{time:?} in {is:?}");
        }
    }
}
