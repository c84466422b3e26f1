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

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;
    use crate::pool_state::Endpoint;
    use crate::scope::Scope;
    use crate::site::{Function, Place};
    use crate::tracked;

    #[test]
    fn a_scope_forgets_what_is_given_back_while_it_runs() {
        static FUNCTION: Function = Function::new(|| "", file!(), line!(), 1).named("test");
        let scope = Scope::new(&FUNCTION, None);
        let pool = PoolState::new(Endpoint::default(), Place::UNKNOWN, 1);
        let inside = async {
            let held = Waiting::new(pool, Origin::Exact(Place::UNKNOWN), None).granted();
            assert!(scope.has_handles(), "the scope owns what it takes");
            drop(held);
            assert!(
                !scope.has_handles(),
                "a long scope must not collect what it gave back"
            );
        };
        let mut inside = pin!(tracked::in_scope(Arc::clone(&scope), inside, |_, ()| {}));
        assert!(
            inside
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_ready()
        );
    }
}
