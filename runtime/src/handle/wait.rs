//! The wait for a permit, as the watchdog and the waiting future share it.

use std::sync::atomic::{AtomicBool, Ordering::Acquire, Ordering::Release};
use std::sync::{Mutex, MutexGuard};
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::scope::foreign;
use crate::sync;

/// What they tell each other.
#[derive(Default)]
pub(super) struct Wait {
    /// Set by the watchdog: there is something for the waiting future to read.
    signalled: AtomicBool,
    shared: Mutex<Shared>,
}

#[derive(Default)]
pub(super) struct Shared {
    /// Wakes the task that waits.
    waker: Option<Waker>,
    /// Why it must panic.
    pub(super) panic: Option<String>,
    /// It should connect once, to learn why there is no connection.
    pub(super) probe: bool,
    /// When it was woken to see how long its runtime takes to poll it.
    pub(super) woken: Option<Instant>,
    /// The longest that took.
    pub(super) slowest: Duration,
}

/// What the watchdog has left for a waiting future.
pub(crate) struct Signals {
    pub(crate) panic: Option<String>,
    pub(crate) probe: bool,
}

impl Wait {
    pub(super) fn shared(&self) -> MutexGuard<'_, Shared> {
        sync::lock(&self.shared)
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
            panic: shared.panic.take(),
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

    pub(super) fn signal(&self, leave: impl FnOnce(&mut Shared)) {
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
