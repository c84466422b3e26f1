//! What the watchdog asks of a waiting future.

use std::task::Waker;
use std::time::{Duration, Instant};

use super::Handle;
use super::wait::{Signals, Woken};

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
        let granted = self.pool.granted();
        self.wait.signal(|shared| {
            shared.woken.get_or_insert(Woken { when: now, granted });
        });
    }

    /// The longest time between a wake-up and the poll that followed. One that is still open counts until `now`.
    pub(crate) fn slowest_poll(&self, now: Instant) -> Duration {
        let shared = self.wait.shared();
        let open = shared.woken.filter(|woken| self.was_stuck_since(*woken));
        let open = open.map_or(Duration::ZERO, |woken| {
            now.saturating_duration_since(woken.when)
        });
        shared.slowest.max(open)
    }

    /// Whether the runtime may have been stuck since this wake-up. One that has granted more permits than the pool has was
    /// busy with them: the poll is late, but nothing blocked it.
    fn was_stuck_since(&self, woken: Woken) -> bool {
        let granted = self.pool.granted().saturating_sub(woken.granted);
        granted <= u64::from(self.pool.limits.max_connections)
    }

    /// Called when the waiting future is polled: takes the requests, if there are any.
    pub(crate) fn signals(&self) -> Option<Signals> {
        self.wait.polled(|woken| self.was_stuck_since(woken))
    }

    /// Called when the waiting future goes on waiting: from now on `waker` wakes its task.
    pub(crate) fn park(&self, waker: &Waker) {
        self.wait.park(waker);
    }
}
