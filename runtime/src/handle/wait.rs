//! What the watchdog and a waiting future share.

use std::sync::atomic::{AtomicBool, Ordering::Acquire, Ordering::Release};
use std::sync::{Mutex, MutexGuard};
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::scope::foreign;
use crate::sync;

/// The watchdog's requests to a waiting future, and the future's waker.
#[derive(Default)]
pub(super) struct Wait {
    /// Set by the watchdog when it has left a request in `shared`.
    signalled: AtomicBool,
    shared: Mutex<Shared>,
}

#[derive(Default)]
pub(super) struct Shared {
    /// Wakes the task that waits.
    waker: Option<Waker>,
    /// The message with which the future must panic.
    pub(super) panic: Option<String>,
    /// Whether the future should connect once, to learn why the pool gets no connection.
    pub(super) probe: bool,
    /// Set while the task is woken to measure how long its runtime takes to poll it.
    pub(super) woken: Option<Woken>,
    /// The longest such time.
    pub(super) slowest: Duration,
}

/// A wake-up whose poll is awaited.
#[derive(Clone, Copy)]
pub(super) struct Woken {
    pub(super) when: Instant,
    /// The number of permits that the pool had granted then.
    pub(super) granted: u64,
}

/// The requests that the watchdog has left for a waiting future.
pub(crate) struct Signals {
    pub(crate) panic: Option<String>,
    pub(crate) probe: bool,
}

impl Wait {
    pub(super) fn shared(&self) -> MutexGuard<'_, Shared> {
        sync::lock(&self.shared)
    }

    /// Called when the waiting future is polled: takes the requests, if there are any. `is_slow` says whether a poll that
    /// was late counts as slow.
    pub(super) fn polled(&self, is_slow: impl FnOnce(Woken) -> bool) -> Option<Signals> {
        // Pairs with the Release in `signal`, so that the requests are visible here.
        if !self.signalled.load(Acquire) {
            return None;
        }
        self.signalled.store(false, Release);
        let mut shared = self.shared();
        if let Some(woken) = shared.woken.take()
            && is_slow(woken)
        {
            shared.slowest = shared.slowest.max(woken.when.elapsed());
        }
        Some(Signals {
            panic: shared.panic.take(),
            probe: std::mem::take(&mut shared.probe),
        })
    }

    /// Called when the waiting future goes on waiting: from now on `waker` wakes its task.
    pub(super) fn park(&self, waker: &Waker) {
        let mut shared = self.shared();
        let known = shared.waker.as_ref();
        if known.is_none_or(|known| !known.will_wake(waker)) {
            let old = shared.waker.replace(waker.clone());
            drop(shared);
            // A waker is foreign code: it is dropped after the unlock.
            drop(old);
        }
    }

    /// Leaves a request, and wakes the task.
    pub(super) fn signal(&self, leave: impl FnOnce(&mut Shared)) {
        let waker = {
            let mut shared = self.shared();
            leave(&mut shared);
            shared.waker.clone()
        };
        self.signalled.store(true, Release);
        // A waker is foreign code: it is called after the unlock.
        if let Some(waker) = waker {
            foreign::wake(waker);
        }
    }
}
