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
