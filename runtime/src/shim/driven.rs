//! What a driver runs for a statement: polled, and dropped, in the span of the statement.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_core::future::BoxFuture;
use futures_core::stream::BoxStream;

use crate::lifecycle::statement::Running;

/// A statement that has begun, with the driver's future or stream.
pub(super) struct Driven<D> {
    /// `None` only while this value is dropped. Dropped before the statement ends.
    driver: Option<D>,
    pub(super) running: Running,
}

impl<D> Driven<D> {
    pub(super) fn new(running: Running, driver: D) -> Self {
        Self {
            driver: Some(driver),
            running,
        }
    }

    #[inline]
    fn poll<T>(&mut self, poll: impl FnOnce(&mut D) -> Poll<T>) -> Poll<T> {
        let _in_span = self.running.enter_span();
        poll(self.driver.as_mut().expect("BUG: dropped, and polled"))
    }
}

impl<T> Driven<BoxFuture<'_, T>> {
    /// Waits for the driver's future.
    pub(super) async fn output(&mut self) -> T {
        poll_fn(|cx| self.poll_output(cx)).await
    }

    pub(super) fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<T> {
        self.poll(|future| future.as_mut().poll(cx))
    }
}

impl<T> Driven<BoxStream<'_, T>> {
    /// Waits for the next item of the driver's stream.
    pub(super) async fn next(&mut self) -> Option<T> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    #[inline]
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.poll(|stream| Pin::new(stream).poll_next(cx))
    }
}

impl<D> Drop for Driven<D> {
    fn drop(&mut self) {
        let _in_span = self.running.enter_span();
        self.driver = None;
    }
}
