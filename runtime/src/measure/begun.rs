//! When the tracker began to count.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

static BEGUN: OnceLock<Instant> = OnceLock::new();

/// Counting begins, unless it has begun before.
pub(crate) fn begin() {
    BEGUN.get_or_init(Instant::now);
}

/// How long has been counted.
pub(crate) fn counted_for() -> Duration {
    BEGUN.get().map(Instant::elapsed).unwrap_or_default()
}
