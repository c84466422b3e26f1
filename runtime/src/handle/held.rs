//! The guards of a claim: [`Waiting`] until its permit is granted, [`Held`] until the permit is released.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use sqlx::Error;

use super::asked::Asked;
use super::{Handle, Standing, live};

/// A claim that waits for its permit. Dropping it counts the wait as abandoned.
pub(crate) struct Waiting {
    handle: Option<Arc<Handle>>,
    /// Whether a connection was opened for it.
    has_connected: bool,
}

impl Waiting {
    pub(crate) fn begin(asked: Asked) -> Self {
        asked.pool.permits.wait();
        let handle = Handle::new(asked, Standing::Waiting);
        live::insert(&handle);
        Self {
            handle: Some(handle),
            has_connected: false,
        }
    }

    /// Counts the connections that were opened for it in this poll.
    #[inline]
    pub(crate) fn opens(&mut self, connections: u64) {
        if connections > 0 {
            let is_first = !std::mem::replace(&mut self.has_connected, true);
            self.handle().opens(connections, is_first);
        }
    }

    #[inline]
    pub(crate) fn handle(&self) -> &Arc<Handle> {
        self.handle.as_ref().expect("BUG: a wait ends once")
    }

    /// Takes the handle, which no longer counts as waiting.
    fn end(&mut self) -> Option<Arc<Handle>> {
        let handle = self.handle.take()?;
        handle.pool.permits.end_wait();
        Some(handle)
    }

    /// The permit was granted.
    pub(crate) fn granted(mut self) -> Held {
        // In this order: between the two steps the claim counts as held and as waiting, rather than as neither.
        self.handle().pool.permits.take();
        let handle = self.end().expect("BUG: a wait ends once");
        handle.grant(self.has_connected);
        Held::of(handle)
    }

    /// Counts the failure of the acquire. The claim counts as waiting until [`forget`](Self::forget).
    pub(crate) fn count_failure(&self, error: &Error) {
        let handle = self.handle();
        let counters = &handle.pool.counters;
        let counter = match error {
            Error::PoolTimedOut => &counters.timeouts,
            _ => &counters.acquire_errors,
        };
        counter.fetch_add(1, Relaxed);
        let is_over = matches!(error, Error::PoolTimedOut);
        if is_over && !self.has_connected && handle.had_permit() {
            handle.pool.connections.cut();
        }
        handle.acquires.failed(error);
        handle.tell_failure(Some(error), self.has_connected);
    }

    /// Whether a connection was opened for it.
    pub(crate) fn has_connected(&self) -> bool {
        self.has_connected
    }

    /// Ends a wait that failed, and was not abandoned.
    pub(crate) fn forget(mut self) {
        if let Some(handle) = self.end() {
            #[cfg(feature = "tower")]
            handle.ended_without_permit();
            live::remove(handle.id);
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(handle) = self.end() {
            #[cfg(feature = "tower")]
            handle.ended_without_permit();
            handle.pool.counters.abandoned.fetch_add(1, Relaxed);
            handle.acquires.abandoned();
            handle.acquire_given_up();
            live::remove(handle.id);
            handle.tell_failure(None, self.has_connected);
        }
    }
}

/// A claim that holds its permit. Dropping it ends the handle.
pub(crate) struct Held {
    handle: Option<Arc<Handle>>,
}

impl Held {
    /// A claim whose permit was free when it was requested.
    pub(crate) fn at_once(asked: Asked) -> Self {
        asked.pool.permits.take();
        let handle = Handle::at_once(asked);
        live::insert(&handle);
        handle.tell_grant(Duration::ZERO, false);
        Self::of(handle)
    }

    fn of(handle: Arc<Handle>) -> Self {
        Self {
            handle: Some(handle),
        }
    }

    #[inline]
    pub(crate) fn handle(&self) -> &Arc<Handle> {
        self.handle.as_ref().expect("BUG: a hold ends once")
    }

    /// Keeps the permit until the process ends. The handle stays in the live map.
    pub(crate) fn leak(self) {
        self.handle().pool.counters.leaked.fetch_add(1, Relaxed);
        // This leaks no memory: the live map refers to the handle.
        std::mem::forget(self);
    }

    /// Takes the handle without releasing it. The caller decides what becomes of the permit.
    pub(super) fn end(mut self) -> Arc<Handle> {
        self.handle.take().expect("BUG: a hold ends once")
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            handle.pool.permits.drop_held();
            _ = handle.release();
            live::remove(handle.id);
        }
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle().fmt(f)
    }
}
