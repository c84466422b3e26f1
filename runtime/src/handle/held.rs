//! Who has a claim: a guard while it waits, a guard while it holds its permit.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use sqlx::Error;

use super::asked::Asked;
use super::{Handle, Standing, live};

/// A claim that still waits. Dropped before it is granted, the wait was abandoned.
pub(crate) struct Waiting {
    handle: Option<Arc<Handle>>,
}

impl Waiting {
    pub(crate) fn begin(asked: Asked) -> Self {
        asked.pool.permits.wait();
        let handle = Handle::new(asked, Standing::Waiting);
        live::insert(&handle);
        Self {
            handle: Some(handle),
        }
    }

    pub(crate) fn handle(&self) -> &Arc<Handle> {
        self.handle.as_ref().expect("BUG: a wait ends once")
    }

    fn end(&mut self) -> Option<Arc<Handle>> {
        let handle = self.handle.take()?;
        handle.pool.permits.end_wait();
        Some(handle)
    }

    /// The permit is there.
    pub(crate) fn granted(mut self) -> Held {
        // In this order, so that the permit is never seen in nobody's hands.
        self.handle().pool.permits.take();
        let handle = self.end().expect("BUG: a wait ends once");
        handle.grant();
        Held::of(handle)
    }

    /// The acquire has failed: that counts, though the claim still counts as waiting until the guard is forgotten.
    pub(crate) fn count_failure(&self, error: &Error) {
        let handle = self.handle();
        let counters = &handle.pool.counters;
        let counter = match error {
            Error::PoolTimedOut => &counters.timeouts,
            _ => &counters.acquire_errors,
        };
        counter.fetch_add(1, Relaxed);
        handle.acquires.failed(error);
    }

    /// The wait is over and not abandoned, and nothing is held.
    pub(crate) fn forget(mut self) {
        if let Some(handle) = self.end() {
            live::remove(handle.id);
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(handle) = self.end() {
            handle.pool.counters.abandoned.fetch_add(1, Relaxed);
            handle.acquires.abandoned();
            live::remove(handle.id);
        }
    }
}

/// A claim that holds its permit. Dropping it ends the handle.
pub(crate) struct Held {
    handle: Option<Arc<Handle>>,
}

impl Held {
    /// A permit that was there when it was asked for.
    pub(crate) fn at_once(asked: Asked) -> Self {
        asked.pool.permits.take();
        let handle = Handle::at_once(asked);
        live::insert(&handle);
        Self::of(handle)
    }

    fn of(handle: Arc<Handle>) -> Self {
        Self {
            handle: Some(handle),
        }
    }

    pub(crate) fn handle(&self) -> &Arc<Handle> {
        self.handle.as_ref().expect("BUG: a hold ends once")
    }

    /// The permit is never given back: the handle lives on with nobody to end it.
    pub(crate) fn leak(self) {
        self.handle().pool.counters.leaked.fetch_add(1, Relaxed);
        // Nothing on the heap is lost by this: the live map holds the handle anyway.
        std::mem::forget(self);
    }

    /// Its holder is done with it; what becomes of the permit is decided elsewhere.
    pub(super) fn end(mut self) -> Arc<Handle> {
        self.handle.take().expect("BUG: a hold ends once")
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            handle.pool.permits.drop_held();
            handle.release();
            live::remove(handle.id);
        }
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle().fmt(f)
    }
}
