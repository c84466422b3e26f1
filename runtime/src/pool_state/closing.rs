//! Calls of `Pool::close` that wait for the pool's handles.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::finding::collector::Collector;
use crate::scope::kept_span::KeptSpan;
use crate::source::place::Place;
use crate::sync;

/// The waiting calls of one pool.
#[derive(Debug, Default)]
pub(crate) struct Closings(Mutex<Vec<Closing>>);

/// One waiting call.
#[derive(Clone, Debug)]
pub(crate) struct Closing {
    id: u64,
    pub(crate) since: Instant,
    pub(crate) place: Place,
    pub(crate) span: KeptSpan,
    pub(crate) collector: Option<Collector>,
    is_reported: bool,
}

/// Removes the call when it is dropped: the pool is closed, or the call was abandoned.
#[derive(Debug)]
pub(crate) struct ClosingGuard {
    closings: Arc<Closings>,
    id: u64,
}

impl Closings {
    /// Adds a call, which waits until the guard is dropped.
    pub(crate) fn begin(self: &Arc<Self>, closing: Closing) -> ClosingGuard {
        let id = closing.id;
        sync::lock(&self.0).push(closing);
        ClosingGuard {
            closings: Arc::clone(self),
            id,
        }
    }

    /// The calls that are due and not reported yet. They count as reported from now on.
    pub(crate) fn take_due(&self, is_due: impl Fn(&Closing) -> bool) -> Vec<Closing> {
        let mut closings = sync::lock(&self.0);
        let due = closings
            .iter_mut()
            .filter(|closing| !closing.is_reported && is_due(closing));
        due.map(|closing| {
            closing.is_reported = true;
            closing.clone()
        })
        .collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        sync::lock(&self.0).is_empty()
    }
}

impl Closing {
    /// A call at `place` that begins to wait now. Its findings go to `collector`, if there is one.
    pub(crate) fn new(place: Place, collector: Option<Collector>) -> Self {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        Self {
            id: NEXT_ID.fetch_add(1, Relaxed),
            since: Instant::now(),
            place,
            span: KeptSpan::current(),
            collector,
            is_reported: false,
        }
    }
}

impl Drop for ClosingGuard {
    fn drop(&mut self) {
        let mut closings = sync::lock(&self.closings.0);
        let at = closings.iter().position(|closing| closing.id == self.id);
        let ended = at.map(|at| closings.swap_remove(at));
        drop(closings);
        // After the unlock: dropping a span runs the code of a subscriber.
        drop(ended);
    }
}
