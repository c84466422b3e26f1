//! Calls of `Pool::close` that wait for the pool's handles.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::PoolState;
use crate::context;
use crate::scope::Scope;
use crate::site::{Place, Site};
use crate::watchdog;

/// Those of one pool.
#[derive(Debug, Default)]
pub(crate) struct Closings(Mutex<Vec<Closing>>);

/// One call that waits.
#[derive(Clone, Debug)]
pub(crate) struct Closing {
    id: u64,
    pub(crate) since: Instant,
    pub(crate) place: Place,
    pub(crate) span: tracing::Span,
    pub(crate) scope: Option<Arc<Scope>>,
    told: bool,
}

/// Ends the entry when the pool is closed, or nobody waits for it any more.
#[derive(Debug)]
pub(crate) struct ClosingGuard {
    pool: Arc<PoolState>,
    id: u64,
}

impl Closings {
    /// Those that are due and were not told before.
    pub(crate) fn take_due(&self, is_due: impl Fn(&Closing) -> bool) -> Vec<Closing> {
        let mut closings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = closings
            .iter_mut()
            .filter(|closing| !closing.told && is_due(closing));
        due.map(|closing| {
            closing.told = true;
            closing.clone()
        })
        .collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty()
    }
}

impl PoolState {
    /// Somebody begins to wait for the pool to close; `caller` is where, unless a call site is being polled.
    pub(crate) fn begin_closing(self: &Arc<Self>, caller: Place) -> ClosingGuard {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        let id = NEXT_ID.fetch_add(1, Relaxed);
        let closing = Closing {
            id,
            since: Instant::now(),
            place: context::site().map_or(caller, Site::place),
            span: tracing::Span::current(),
            scope: context::scope(),
            told: false,
        };
        let mut closings = self
            .closings
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        closings.push(closing);
        drop(closings);
        watchdog::wake();
        ClosingGuard {
            pool: Arc::clone(self),
            id,
        }
    }
}

impl Drop for ClosingGuard {
    fn drop(&mut self) {
        let mut closings = self
            .pool
            .closings
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let at = closings.iter().position(|closing| closing.id == self.id);
        let ended = at.map(|at| closings.swap_remove(at));
        drop(closings);
        // With it may go a span, which is a subscriber's code.
        drop(ended);
    }
}
