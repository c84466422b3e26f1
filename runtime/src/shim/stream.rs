//! Row streams: counting them, picking from them, and keeping them in their span.

use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_core::stream::BoxStream;
use pin_project_lite::pin_project;
use sqlx::{Database, Either, Error};
use tracing::Span;

use super::driven;
use super::known;
use crate::handle::Handle;
use crate::lifecycle::statement::{Ready, Running};
use crate::scope::counted;

/// One item of a statement's stream: a result or a row.
pub(super) type Step<DB> = Either<<DB as Database>::QueryResult, <DB as Database>::Row>;

/// A stream that counts as a statement, which begins with the first poll.
pub(super) struct Counted<'e, DB: Database> {
    /// Dropped before the statement ends.
    stream: Steps<'e, DB>,
    statement: Statement,
    /// Whether the inner stream may count the statement as well. It must not, because this stream does.
    covers: bool,
}

type Steps<'e, DB> = BoxStream<'e, Result<Step<DB>, Error>>;

enum Statement {
    /// Not begun; `None` only while it begins.
    Ready(Option<Ready>, Option<Arc<Handle>>),
    Running(Running),
}

impl<'e, DB: Database> Counted<'e, DB> {
    /// Counts a driver's stream on a connection.
    pub(super) fn new(ready: Ready, handle: Option<Arc<Handle>>, stream: Steps<'e, DB>) -> Self {
        Self {
            stream,
            statement: Statement::Ready(Some(ready), handle),
            covers: false,
        }
    }

    /// Counts the stream of an executor that may count statements itself.
    pub(super) fn covering(
        ready: Ready,
        handle: Option<Arc<Handle>>,
        stream: Steps<'e, DB>,
    ) -> Self {
        Self {
            covers: true,
            ..Self::new(ready, handle, stream)
        }
    }
}

/// Moves a stream that has not been polled into the span of its statement, if that has one.
fn enter_span<'e, DB: Database>(running: &Running, stream: &mut Steps<'e, DB>) {
    if running.has_span() {
        let plain = mem::replace(stream, Box::pin(futures_util::stream::empty()));
        *stream = driven::stream(running.span(), plain);
    }
}

impl<DB: Database> Stream for Counted<'_, DB> {
    type Item = Result<Step<DB>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let running = match &mut this.statement {
            Statement::Running(running) => running,
            Statement::Ready(ready, handle) => {
                let ready = ready.take().expect("BUG: a statement begins once");
                let running = ready.begin(known::system::<DB>(), handle.take());
                enter_span::<DB>(&running, &mut this.stream);
                this.statement = Statement::Running(running);
                let Statement::Running(running) = &mut this.statement else {
                    unreachable!("BUG: just put there")
                };
                running
            }
        };
        let covered = this.covers.then(counted::mark_counted);
        let step = this.stream.as_mut().poll_next(cx);
        drop(covered);
        match step {
            Poll::Pending => {
                running.resume();
                return Poll::Pending;
            }
            Poll::Ready(Some(Ok(Either::Right(_)))) => {
                running.pause();
                running.yielded_row();
            }
            Poll::Ready(Some(Ok(Either::Left(ref result)))) => {
                running.pause();
                running.affected(known::rows_affected::<DB>(result));
            }
            Poll::Ready(Some(Err(ref error))) => running.end(Some(error)),
            Poll::Ready(None) => running.end(None),
        }
        step
    }
}

/// Returns a stream of the items that `pick` selects: the rows, or the results.
pub(super) fn picked<S, I, T>(steps: S, pick: fn(I) -> Option<T>) -> Picked<S, I, T> {
    Picked { steps, pick }
}

/// See [`picked`].
pub(super) struct Picked<S, I, T> {
    steps: S,
    pick: fn(I) -> Option<T>,
}

impl<S, I, T> Stream for Picked<S, I, T>
where
    S: Stream<Item = Result<I, Error>> + Unpin,
{
    type Item = Result<T, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            return match Pin::new(&mut self.steps).poll_next(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(None) => Poll::Ready(None),
                Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error))),
                Poll::Ready(Some(Ok(step))) => match (self.pick)(step) {
                    Some(item) => Poll::Ready(Some(Ok(item))),
                    None => continue,
                },
            };
        }
    }
}

pin_project! {
    /// A stream that is polled and dropped in the span in which it was made.
    pub(super) struct InSpan<S> {
        span: Span,
        #[pin]
        stream: Option<S>,
    }

    impl<S> PinnedDrop for InSpan<S> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _entered = this.span.enter();
            this.stream.set(None);
        }
    }
}

/// Boxes the stream. If a span is current now, the stream is polled and dropped in that.
pub(super) fn in_current_span<'e, S>(stream: S) -> BoxStream<'e, S::Item>
where
    S: Stream + Send + 'e,
{
    let span = Span::current();
    if span.is_disabled() {
        return Box::pin(stream);
    }
    Box::pin(InSpan {
        span,
        stream: Some(stream),
    })
}

impl<S: Stream> InSpan<S> {
    #[inline]
    fn poll_in_span(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let this = self.project();
        let _entered = this.span.enter();
        match this.stream.as_pin_mut() {
            Some(stream) => stream.poll_next(cx),
            None => Poll::Ready(None),
        }
    }

    /// Drops the stream and the span. A stream that is stored after its end keeps no span open.
    #[cold]
    fn end(self: Pin<&mut Self>) {
        let mut this = self.project();
        let entered = this.span.enter();
        this.stream.set(None);
        drop(entered);
        *this.span = Span::none();
    }
}

impl<S: Stream> Stream for InSpan<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let item = self.as_mut().poll_in_span(cx);
        if let Poll::Ready(None) = item {
            self.end();
        }
        item
    }
}
