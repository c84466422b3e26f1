//! What a driver runs for a statement that has a span: polled, and dropped, in the span.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_core::future::BoxFuture;
use futures_core::stream::BoxStream;

use crate::log::spans::OpenSpan;

/// A driver's future or stream, with the span of its statement.
struct Driven<D> {
    /// `None` only while this value is dropped.
    driver: Option<D>,
    span: Arc<OpenSpan>,
}

/// The driver's future as it is, or where the statement has a span, in that.
#[inline]
pub(super) fn future<'e, T: 'e>(
    span: Option<&Arc<OpenSpan>>,
    driver: BoxFuture<'e, T>,
) -> BoxFuture<'e, T> {
    match span {
        None => driver,
        Some(span) => Box::pin(Driven::new(span, driver)),
    }
}

/// The driver's stream as it is, or where the statement has a span, in that.
#[inline]
pub(super) fn stream<'e, T: 'e>(
    span: Option<&Arc<OpenSpan>>,
    driver: BoxStream<'e, T>,
) -> BoxStream<'e, T> {
    match span {
        None => driver,
        Some(span) => Box::pin(Driven::new(span, driver)),
    }
}

impl<D> Driven<D> {
    #[cold]
    fn new(span: &Arc<OpenSpan>, driver: D) -> Self {
        Self {
            driver: Some(driver),
            span: Arc::clone(span),
        }
    }

    fn poll<T>(&mut self, poll: impl FnOnce(&mut D) -> Poll<T>) -> Poll<T> {
        let _in_span = self.span.enter();
        poll(self.driver.as_mut().expect("BUG: dropped, and polled"))
    }
}

impl<T> Future for Driven<BoxFuture<'_, T>> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        Driven::poll(&mut self, |future| future.as_mut().poll(cx))
    }
}

impl<T> Stream for Driven<BoxStream<'_, T>> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        Driven::poll(&mut self, |stream| stream.as_mut().poll_next(cx))
    }
}

impl<D> Drop for Driven<D> {
    fn drop(&mut self) {
        let _in_span = self.span.enter();
        self.driver = None;
    }
}
