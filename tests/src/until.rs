//! Waiting for what must come.

use std::fmt::Display;
use std::panic::Location;
use std::time::{Duration, Instant};

/// Lets others run until `is_so`, and fails where that takes too long even for a machine with much else to do.
///
/// Between two looks it sleeps: what it waits for may need the processor, and a clock that is paused goes on.
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
