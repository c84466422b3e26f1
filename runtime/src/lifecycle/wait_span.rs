//! The span of an acquire that waits.
//!
//! `tracing` cannot date a span back, so that a wait's span begins when the wait has become worth one: when it has taken 1 ms.

use std::sync::Arc;
use std::task::Context;
use std::time::{Duration, Instant};

use futures_core::future::BoxFuture;
use sqlx::Error;

use crate::config::Spans;
use crate::handle::Handle;
use crate::handle::holders::holders_for;
use crate::log::spans::{self, Entered, OpenSpan, Opening};

/// A shorter wait has no span.
const WORTH_A_SPAN: Duration = Duration::from_millis(1);

/// The span of a wait: due after 1 ms, then open. It ends as given up, unless its end is recorded.
pub(crate) struct WaitSpan {
    waiter: Arc<Handle>,
    /// Wakes the task when the span is due. The runtime's timer, as sqlx's acquire uses it for its timeout.
    due: Option<BoxFuture<'static, ()>>,
    span: Option<Arc<OpenSpan>>,
}

impl WaitSpan {
    /// Called when the acquire begins to wait.
    #[inline]
    pub(crate) fn begin(waiter: &Arc<Handle>) -> Option<Box<Self>> {
        spans::are_made_of(Spans::All).then(|| Box::new(Self::new(waiter)))
    }

    #[cold]
    fn new(waiter: &Arc<Handle>) -> Self {
        Self {
            waiter: Arc::clone(waiter),
            due: Some(Box::pin(sqlx_core::rt::sleep(WORTH_A_SPAN))),
            span: None,
        }
    }

    /// Called in each poll that leaves the acquire waiting.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) {
        if let Some(due) = &mut self.due
            && due.as_mut().poll(cx).is_ready()
        {
            self.due = None;
            self.open();
        }
    }

    /// Enters the span until the guard is dropped: what sqlx logs while it connects is in it.
    pub(crate) fn enter(&self) -> Option<Entered<'_>> {
        self.span.as_ref()?.enter()
    }

    fn open(&mut self) {
        let waiter = &self.waiter;
        let holders = holders_for(waiter);
        let opening = Opening {
            system: waiter.pool.endpoint.system,
            pool: Some(&waiter.pool),
            place: Some(waiter.place),
        };
        let holders: Vec<_> = holders
            .iter()
            .map(|holder| (holder.place, &*holder.span))
            .collect();
        self.span = spans::wait(&holders, &opening);
    }

    /// The wait has ended, with sqlx's error if it failed.
    pub(crate) fn end(mut self, error: Option<&Error>) {
        let waited = Instant::now().saturating_duration_since(self.waiter.asked());
        // The task was not polled when the span was due.
        if self.due.take().is_some() && waited >= WORTH_A_SPAN {
            self.open();
        }
        if let Some(span) = self.span.take() {
            span.end_wait(waited, error);
        }
    }
}

impl Drop for WaitSpan {
    fn drop(&mut self) {
        if let Some(span) = &self.span {
            span.end_given_up();
        }
    }
}
