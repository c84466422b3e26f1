//! A span from its beginning to its end.

use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex};

use tracing::span::Id;
use tracing::{Dispatch, Span};

use crate::scope::foreign;
use crate::sync;

/// A span that is open. It ends with [`close`](Self::close), and is not kept open by what still refers to it then.
pub(crate) struct OpenSpan {
    /// `None` while the span is entered, and once it has ended. It is moved out because no lock is held while a subscriber
    /// runs.
    span: Mutex<Option<Span>>,
}

impl OpenSpan {
    pub(super) fn new(span: Span) -> Arc<Self> {
        Arc::new(Self {
            span: Mutex::new(Some(span)),
        })
    }

    /// Enters the span until the guard is dropped. `None` if it has ended, or is entered.
    pub(crate) fn enter(&self) -> Option<Entered<'_>> {
        let span = sync::lock(&self.span).take()?;
        let to_leave = enter(&span);
        Some(Entered {
            of: self,
            span: Some(span),
            to_leave,
            on_one_thread: PhantomData,
        })
    }

    /// Whether it has not ended.
    pub(crate) fn is_open(&self) -> bool {
        sync::lock(&self.span).is_some()
    }

    /// Ends the span, after `record` has recorded how. Does nothing the second time.
    pub(super) fn close(&self, record: impl FnOnce(&Span)) {
        let Some(span) = sync::lock(&self.span).take() else {
            return;
        };
        _ = foreign::subscriber(|| record(&span));
        // OpenTelemetry's bridge takes the time at which a span was left last for its end.
        if enter(&span) {
            leave(&span);
        }
        _ = foreign::subscriber(move || drop(span));
    }
}

impl Drop for OpenSpan {
    fn drop(&mut self) {
        self.close(|_| ());
    }
}

impl fmt::Debug for OpenSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenSpan").finish_non_exhaustive()
    }
}

/// A span that is entered on this thread. Dropping it leaves the span.
pub(crate) struct Entered<'a> {
    of: &'a OpenSpan,
    span: Option<Span>,
    to_leave: bool,
    on_one_thread: PhantomData<*const ()>,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let Some(span) = self.span.take() else {
            return;
        };
        if self.to_leave {
            leave(&span);
        }
        *sync::lock(&self.of.span) = Some(span);
    }
}

/// Enters the span. Returns whether it is to be left: also where a part of the subscriber has panicked.
///
/// Without a guard of `tracing`, which would call the subscriber while a panic of the subscriber unwinds.
fn enter(span: &Span) -> bool {
    let mut was_called = false;
    call(span, |id, subscriber| {
        was_called = true;
        subscriber.enter(id);
    });
    was_called
}

fn leave(span: &Span) {
    call(span, |id, subscriber| subscriber.exit(id));
}

fn call(span: &Span, call: impl FnOnce(&Id, &Dispatch)) {
    _ = foreign::subscriber(|| span.with_subscriber(|(id, subscriber)| call(id, subscriber)));
}
