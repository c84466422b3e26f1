//! Row streams: counting them, picking from them, and keeping them in their span.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_core::stream::BoxStream;
use pin_project_lite::pin_project;
use sqlx::{Database, Either, Error};
use tracing::Span;

use super::driven::Driven;
use super::known;
use crate::handle::Handle;
use crate::lifecycle::statement::Ready;
use crate::scope::counted;

/// One item of a statement's stream: a result or a row.
pub(super) type Step<DB> = Either<<DB as Database>::QueryResult, <DB as Database>::Row>;

/// A stream that counts as a statement, which begins with the first poll.
pub(super) struct Counted<'e, DB: Database> {
    statement: Statement<'e, DB>,
    /// Whether the inner stream may count the statement as well. It must not, because this stream does.
    covers: bool,
}

type Steps<'e, DB> = BoxStream<'e, Result<Step<DB>, Error>>;

enum Statement<'e, DB: Database> {
    /// Not begun; `None` only while it begins.
    Ready(Option<(Ready, Steps<'e, DB>)>, Option<Arc<Handle>>),
    Running(Driven<Steps<'e, DB>>),
}

impl<'e, DB: Database> Statement<'e, DB> {
    /// The running statement, which begins if it has not.
    #[inline]
    fn running(&mut self) -> &mut Driven<Steps<'e, DB>> {
        if let Statement::Ready(ready, handle) = self {
            let (ready, steps) = ready.take().expect("BUG: a statement begins once");
            let running = ready.begin(known::system::<DB>(), handle.take());
            *self = Statement::Running(Driven::new(running, steps));
        }
        match self {
            Statement::Running(running) => running,
            Statement::Ready(..) => unreachable!("BUG: it has begun"),
        }
    }
}

impl<'e, DB: Database> Counted<'e, DB> {
    /// Counts a driver's stream on a connection.
    pub(super) fn new(ready: Ready, handle: Option<Arc<Handle>>, stream: Steps<'e, DB>) -> Self {
        Self {
            statement: Statement::Ready(Some((ready, stream)), handle),
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

impl<DB: Database> Stream for Counted<'_, DB> {
    type Item = Result<Step<DB>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let covers = self.covers;
        let driven = self.statement.running();
        let covered = covers.then(counted::mark_counted);
        let step = driven.poll_next(cx);
        drop(covered);
        let running = &mut driven.running;
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

impl<S> InSpan<S> {
    pub(super) fn current(stream: S) -> Self {
        Self {
            span: Span::current(),
            stream: Some(stream),
        }
    }
}

impl<S: Stream> Stream for InSpan<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let mut this = self.project();
        let entered = this.span.enter();
        let Some(stream) = this.stream.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        let item = stream.poll_next(cx);
        if let Poll::Ready(None) = item {
            // A stream that is stored after its end keeps no span open.
            this.stream.set(None);
            drop(entered);
            *this.span = Span::none();
        }
        item
    }
}
