//! Waiting for a condition.

use std::fmt::Display;
use std::panic::Location;
use std::time::{Duration, Instant};

/// Yields until `is_so` returns true. Panics after a time that is long even for a busy machine.
///
/// Sleeps between two checks: the awaited task may need the processor. A paused clock advances during the sleep.
#[track_caller]
pub fn until(what: impl Display, is_so: impl Fn() -> bool) -> impl Future<Output = ()> {
    let (caller, deadline) = (Location::caller(), Instant::now() + Duration::from_mins(2));
    async move {
        while !is_so() {
            assert!(Instant::now() < deadline, "{what} never happens, {caller}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}
