//! Times as numbers: the unit of events, of the live page and of what is serialised.

use std::time::Duration;

/// Milliseconds, to the microsecond.
pub(crate) fn millis(duration: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "exact up to 285 years")]
    let micros = duration.as_micros() as f64;
    micros / 1e3
}

/// Serialises a duration, or one that there may be, as [milliseconds](millis).
#[cfg(feature = "serde")]
pub(crate) fn serialize<T, S>(duration: &T, serializer: S) -> Result<S::Ok, S::Error>
where
    T: Copy + Into<Option<Duration>>,
    S: serde::Serializer,
{
    serde::Serialize::serialize(&(*duration).into().map(millis), serializer)
}

/// Milliseconds, to the nanosecond: the bounds of a short bucket are no microsecond apart.
#[cfg(feature = "serde")]
fn exact_millis(duration: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "exact up to 104 days")]
    let nanos = duration.as_nanos() as f64;
    nanos / 1e6
}

/// Serialises a duration as milliseconds, to the nanosecond.
#[cfg(feature = "serde")]
pub(crate) fn serialize_exactly<S: serde::Serializer>(
    duration: &Duration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serde::Serialize::serialize(&exact_millis(*duration), serializer)
}

#[cfg(all(test, feature = "serde"))]
mod tests {
    use super::*;

    #[test]
    fn bounds_in_one_microsecond_are_told_apart() {
        let [from, to] = [1_024, 1_056].map(Duration::from_nanos);
        assert!(exact_millis(from) < exact_millis(to));
        assert!((exact_millis(to) - 0.001_056).abs() < 1e-12);
    }
}
