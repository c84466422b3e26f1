//! Waiting for what must come.

use std::panic::Location;
use std::time::{Duration, Instant};

/// Lets others run until `is_so`, and fails where that takes too long even for a machine with much else to do.
#[track_caller]
pub(crate) fn until(what: &str, is_so: impl Fn() -> bool) -> impl Future<Output = ()> {
    let (caller, deadline) = (Location::caller(), Instant::now() + Duration::from_mins(2));
    async move {
        while !is_so() {
            assert!(Instant::now() < deadline, "{what} never happens, {caller}");
            tokio::task::yield_now().await;
        }
    }
}
