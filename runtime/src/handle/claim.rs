//! Who has a handle: first who waits for the permit, then who holds it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::{Handle, live};
use crate::context::Origin;
use crate::pool_state::PoolState;
use crate::report;

/// A claim that still waits. Dropped before it is granted, the wait was abandoned.
pub(crate) struct Waiting {
    handle: Option<Arc<Handle>>,
}

/// A claim that holds its permit. Dropping it ends the handle.
pub(crate) struct Held {
    handle: Arc<Handle>,
}

impl Waiting {
    /// Begins to wait for a permit of `pool`.
    pub(crate) fn new(pool: Arc<PoolState>, origin: Origin, task: Option<u64>) -> Self {
        if pool.is_first_use() {
            report::started(&pool);
        }
        let handle = Arc::new(Handle::waiting(pool, origin, task));
        live::insert(&handle);
        Self {
            handle: Some(handle),
        }
    }

    /// The permit is there.
    pub(crate) fn granted(mut self) -> Held {
        let handle = self.handle.take().expect("BUG: a wait ends once");
        handle.grant();
        Held { handle }
    }

    /// There is no permit to be had.
    pub(crate) fn failed(mut self, error: &sqlx::Error) {
        let handle = self.handle.take().expect("BUG: a wait ends once");
        let counters = &handle.pool.counters;
        match error {
            sqlx::Error::PoolTimedOut => &counters.timeouts,
            _ => &counters.acquire_errors,
        }
        .fetch_add(1, Relaxed);
        live::remove(handle.id);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            handle.pool.counters.abandoned.fetch_add(1, Relaxed);
            live::remove(handle.id);
        }
    }
}

impl Held {
    pub(crate) fn handle(&self) -> &Arc<Handle> {
        &self.handle
    }

    /// The permit is never given back: the handle lives on with nobody to end it.
    pub(crate) fn leak(self) {
        self.handle.pool.counters.leaked.fetch_add(1, Relaxed);
        // Nothing on the heap is lost by this: the live map holds the handle anyway.
        std::mem::forget(self);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.handle.release();
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.fmt(f)
    }
}
