//! What the watchdog tells a waiter, and what the waiting future reads of it.

use std::task::Waker;
use std::time::{Duration, Instant};

use super::Handle;
use super::wait::Signals;

impl Handle {
    /// Has the waiting future panic with this message in its own poll.
    pub(crate) fn panic_waiter(&self, message: String) {
        self.wait.signal(|shared| shared.panic = Some(message));
    }

    /// Has the waiting future make a connect of its own.
    pub(crate) fn ask_for_probe(&self) {
        self.wait.signal(|shared| shared.probe = true);
    }

    /// Wakes the waiting future, to see how long its runtime takes to poll it.
    pub(crate) fn time_next_poll(&self, now: Instant) {
        self.wait.signal(|shared| {
            shared.woken.get_or_insert(now);
        });
    }

    /// The longest that the waiting future's runtime took to poll it when woken; an unanswered one counts until now.
    pub(crate) fn slowest_poll(&self, now: Instant) -> Duration {
        let shared = self.wait.shared();
        let open = shared
            .woken
            .map_or(Duration::ZERO, |woken| now.saturating_duration_since(woken));
        shared.slowest.max(open)
    }

    /// What the watchdog has left for the waiting future, which is being polled.
    pub(crate) fn signals(&self) -> Option<Signals> {
        self.wait.polled()
    }

    /// The waiting future goes on waiting, and `waker` wakes it.
    pub(crate) fn park(&self, waker: &Waker) {
        self.wait.park(waker);
    }
}
