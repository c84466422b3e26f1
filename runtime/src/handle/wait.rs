//! The wait for a permit, as the watchdog and the waiting future share it.

use std::sync::atomic::{AtomicBool, Ordering::Acquire, Ordering::Release};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use super::Handle;
use crate::foreign;

/// What they tell each other.
#[derive(Default)]
pub(super) struct Wait {
    /// Set by the watchdog: there is something for the waiting future to read.
    signalled: AtomicBool,
    shared: Mutex<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Wakes the task that waits.
    waker: Option<Waker>,
    /// Why it must panic.
    stop: Option<String>,
    /// It should connect once, to learn why there is no connection.
    probe: bool,
    /// When it was woken to see how long its runtime takes to poll it.
    woken: Option<Instant>,
    /// The longest that took.
    slowest: Duration,
}

/// What the watchdog has left for a waiting future.
pub(super) struct Signals {
    pub(super) stop: Option<String>,
    pub(super) probe: bool,
}

impl Wait {
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The waiting future is polled.
    pub(super) fn polled(&self) -> Option<Signals> {
        // Pairs with the Release in `signal`: what was left there is seen.
        if !self.signalled.load(Acquire) {
            return None;
        }
        self.signalled.store(false, Release);
        let mut shared = self.shared();
        if let Some(woken) = shared.woken.take() {
            shared.slowest = shared.slowest.max(woken.elapsed());
        }
        Some(Signals {
            stop: shared.stop.take(),
            probe: std::mem::take(&mut shared.probe),
        })
    }

    /// The waiting future goes on waiting, and `waker` wakes it.
    pub(super) fn park(&self, waker: &Waker) {
        let mut shared = self.shared();
        let known = shared.waker.as_ref();
        if known.is_none_or(|known| !known.will_wake(waker)) {
            let old = shared.waker.replace(waker.clone());
            drop(shared);
            drop(old);
        }
    }

    fn signal(&self, leave: impl FnOnce(&mut Shared)) {
        let waker = {
            let mut shared = self.shared();
            leave(&mut shared);
            shared.waker.clone()
        };
        self.signalled.store(true, Release);
        // A waker is somebody else's code: no lock is held.
        if let Some(waker) = waker {
            foreign::wake(waker);
        }
    }
}

impl Handle {
    /// Has the waiting future panic with this message in its own poll.
    pub(crate) fn stop_waiting(&self, message: String) {
        self.wait.signal(|shared| shared.stop = Some(message));
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
}
