//! What the watchdog asks of a waiting future.

use std::task::Waker;
use std::time::{Duration, Instant};

use super::Handle;
use super::wait::Signals;

impl Handle {
    /// Makes the waiting future panic with `message` in its next poll.
    pub(crate) fn panic_waiter(&self, message: String) {
        self.wait.signal(|shared| shared.panic = Some(message));
    }

    /// Makes the waiting future connect once beside its wait.
    pub(crate) fn ask_for_probe(&self) {
        self.wait.signal(|shared| shared.probe = true);
    }

    /// Wakes the waiting future, to measure how long its runtime takes to poll it.
    pub(crate) fn time_next_poll(&self, now: Instant) {
        self.wait.signal(|shared| {
            shared.woken.get_or_insert(now);
        });
    }

    /// The longest time between a wake-up and the poll that followed. One that is still open counts until `now`.
    pub(crate) fn slowest_poll(&self, now: Instant) -> Duration {
        let shared = self.wait.shared();
        let open = shared
            .woken
            .map_or(Duration::ZERO, |woken| now.saturating_duration_since(woken));
        shared.slowest.max(open)
    }

    /// Called when the waiting future is polled: takes the requests, if there are any.
    pub(crate) fn signals(&self) -> Option<Signals> {
        self.wait.polled()
    }

    /// Called when the waiting future goes on waiting: from now on `waker` wakes its task.
    pub(crate) fn park(&self, waker: &Waker) {
        self.wait.park(waker);
    }
}
