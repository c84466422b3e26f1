//! The span of an operation on a connection that is no statement: begin, commit, rollback, savepoint, ping, prepare, describe.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use sqlx::Error;

use super::startup;
use crate::config::Spans;
use crate::handle::Handle;
use crate::log::spans::{self, Ended, OpenSpan, Opening};
use crate::pool_state::counters::Control;
use crate::pool_state::endpoint::System;
use crate::scope::context;
use crate::site::Site;
use crate::source::place::Place;

pin_project! {
    /// An operation of the driver, polled in a span of its own, if spans are made of operations.
    pub(crate) struct Operation<F> {
        #[pin]
        future: F,
        span: OperationSpan,
    }
}

/// Ends as given up when it is dropped, unless it has ended.
struct OperationSpan(Option<Arc<OpenSpan>>);

impl Drop for OperationSpan {
    #[inline]
    fn drop(&mut self) {
        if let Some(span) = &self.0 {
            span.end_given_up();
        }
    }
}

/// Whether there are spans of operations and transactions. There are none while the tracker is off.
#[inline]
fn are_wanted() -> bool {
    !startup::is_off() && spans::are_made_of(Spans::All)
}

/// The driver's `future` with its span. `text` is what it prepares or describes.
#[inline]
pub(crate) fn operation<F>(
    control: Control,
    text: Option<&str>,
    handle: Option<&Arc<Handle>>,
    system: System,
    future: F,
) -> Operation<F> {
    let span = are_wanted()
        .then(|| open(control, text, handle, system))
        .flatten();
    Operation {
        future,
        span: OperationSpan(span),
    }
}

#[cold]
fn open(
    control: Control,
    text: Option<&str>,
    handle: Option<&Arc<Handle>>,
    system: System,
) -> Option<Arc<OpenSpan>> {
    let is_nested = handle.is_some_and(|handle| handle.transaction_depth() > 1);
    spans::operation(
        control.statement(is_nested),
        text,
        &whereabouts(handle, system),
    )
}

/// What the program is about to do, and where.
fn whereabouts(handle: Option<&Arc<Handle>>, system: System) -> Opening<'_> {
    let pool = handle.map(|handle| &*handle.pool);
    Opening {
        system: pool.map_or(system, |pool| pool.endpoint.system),
        pool: pool.filter(|pool| !pool.is_none()),
        place: here(),
    }
}

/// The call site that is being polled; without one, the function.
fn here() -> Option<Place> {
    let function = || context::function().map(|function| function.place());
    context::site().map(Site::place).or_else(function)
}

impl<T, F: Future<Output = Result<T, Error>>> Future for Operation<F> {
    type Output = Result<T, Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(span) = &this.span.0 else {
            return this.future.poll(cx);
        };
        let in_span = span.enter();
        let polled = this.future.poll(cx);
        drop(in_span);
        if let Poll::Ready(result) = &polled {
            span.end(&Ended::operation(result.as_ref().err()));
        }
        polled
    }
}

/// The span of a transaction or a savepoint, from before its begin is sent. It ends as given up, unless its end is recorded.
pub(crate) struct TransactionSpan(Option<Arc<OpenSpan>>);

impl TransactionSpan {
    #[inline]
    pub(crate) fn begin(handle: Option<&Arc<Handle>>, system: System) -> Self {
        Self(are_wanted().then(|| Self::open(handle, system)).flatten())
    }

    #[cold]
    fn open(handle: Option<&Arc<Handle>>, system: System) -> Option<Arc<OpenSpan>> {
        let is_savepoint = handle.is_some_and(|handle| handle.transaction_depth() > 0);
        let span = spans::transaction(is_savepoint, &whereabouts(handle, system))?;
        if let Some(handle) = handle {
            handle.begin_transaction_span(&span);
        }
        Some(span)
    }

    /// Ends it: by what, and with sqlx's error if that has failed.
    #[inline]
    pub(crate) fn end(&self, by: &'static str, error: Option<&Error>) {
        if let Some(span) = &self.0 {
            span.end_transaction(by, error);
        }
    }
}

impl Drop for TransactionSpan {
    #[inline]
    fn drop(&mut self) {
        if let Some(span) = &self.0 {
            span.end_given_up();
        }
    }
}
