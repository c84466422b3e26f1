//! Values in the notation of the place where they are written.

use std::time::Duration;

/// As Rust writes it: `Duration::from_secs(24)`, `Duration::from_mins(2)`.
pub(super) fn rust(time: Duration) -> String {
    match time.as_secs() {
        _ if time.subsec_nanos() > 0 => format!("Duration::from_millis({})", time.as_millis()),
        seconds if seconds % 60 == 0 => format!("Duration::from_mins({})", seconds / 60),
        seconds => format!("Duration::from_secs({seconds})"),
    }
}

/// As `SQLX_LEASH` reads it: `24s`.
pub(super) fn setting(time: Duration) -> String {
    if time.subsec_nanos() == 0 {
        format!("{}s", time.as_secs())
    } else {
        format!("{}ms", time.as_millis())
    }
}

/// A part of a time, in whole seconds where it is long enough.
pub(super) fn part(time: Duration, numerator: u32, denominator: u32) -> Duration {
    whole(time * numerator / denominator)
}

fn whole(time: Duration) -> Duration {
    if time >= Duration::from_secs(2) {
        Duration::from_secs(time.as_secs())
    } else {
        Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    }
}

/// A time that is a quarter longer, in whole seconds.
pub(super) fn longer(time: Duration) -> Duration {
    let longer = time.saturating_add(time / 4);
    Duration::from_secs(longer.as_secs() + u64::from(longer.subsec_nanos() > 0))
}
