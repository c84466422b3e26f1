//! What the expansion of `#[track]` runs: futures and streams that know where they are.

#[cfg(test)]
mod tests;

use std::future::{Future, IntoFuture};
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use pin_project_lite::pin_project;

use crate::context::{self, FrameKind};
use crate::lint::{self, Reaction};
use crate::probe::{self, Returned};
use crate::scope::Scope;
use crate::site::{Function, Site};

pin_project! {
    /// A future that runs at a call site.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    #[derive(Debug)]
    pub struct At<F> {
        site: &'static Site,
        #[pin]
        future: F,
    }
}

/// Makes a call site of `function` the current one while `future` is polled.
#[inline]
pub fn at<F: IntoFuture>(function: &'static Function, site: usize, future: F) -> At<F::IntoFuture> {
    At {
        site: function.site(site),
        future: future.into_future(),
    }
}

impl<F: Future> Future for At<F> {
    type Output = F::Output;

    /// The place of the caller is that of the `.await`, unless something stands between.
    #[inline]
    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _site = context::set_site(Some(this.site), Some(Location::caller()));
        this.future.poll(cx)
    }
}

/// The argument of a call that makes a stream: until [`leave`], the site is the current one. An identity.
#[inline]
pub fn enter<T>(function: &'static Function, site: usize, value: T) -> T {
    context::enter_site(function.site(site));
    value
}

/// Ends what [`enter`] began. An identity.
#[inline]
pub fn leave<T>(value: T) -> T {
    context::leave_site();
    value
}

/// Says which function a scope is of.
///
/// A type for each way to say it, and no reference: the compiler forgets lifetimes in the type of what a future holds across
/// an await, also `'static`, and then `join!` around it would no longer be `Send`.
pub trait Names {
    /// What is entered for each poll.
    const KIND: FrameKind;

    /// The function.
    fn function(&self) -> &'static Function;
}

/// A scope of its own.
#[derive(Debug)]
pub struct Named(&'static Function);

impl Names for Named {
    const KIND: FrameKind = FrameKind::Scope;

    #[inline]
    fn function(&self) -> &'static Function {
        self.0
    }
}

/// A scope that is made already, whatever stands around it on the stack.
#[derive(Debug)]
pub(crate) struct Carried(&'static Function);

impl Names for Carried {
    const KIND: FrameKind = FrameKind::Carried;

    fn function(&self) -> &'static Function {
        self.0
    }
}

pin_project! {
    /// A future in a scope of its own.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Scoped<M, F, J>
    where
        M: Names,
    {
        // Dropped in this order: first the future, with everything that it holds, then what judges what is left.
        #[pin]
        future: F,
        judge: J,
        frame: Frame<M>,
    }

    impl<M: Names, F, J> PinnedDrop for Scoped<M, F, J> {
        fn drop(this: Pin<&mut Self>) {
            // What the future drops, it drops inside the scope.
            this.project().frame.begin_drop();
        }
    }
}

/// The scope of a [`Scoped`]; ends it when the future was given up.
struct Frame<M: Names> {
    names: M,
    /// `None` before the first statement or handle, and again when the future has returned.
    scope: Option<Arc<Scope>>,
}

/// Runs `future` in a scope of `function`. When it returns, `judge` is given the value if the scope still holds something.
#[inline]
pub fn scope<F, J>(function: &'static Function, future: F, judge: J) -> Scoped<Named, F, J>
where
    F: Future,
    J: Fn(&Ended, &F::Output),
{
    let frame = Frame {
        names: Named(function),
        scope: None,
    };
    Scoped {
        future,
        judge,
        frame,
    }
}

/// Runs `future` in a scope that is made already.
pub(crate) fn in_scope<F, J>(scope: Arc<Scope>, future: F, judge: J) -> Scoped<Carried, F, J>
where
    F: Future,
    J: Fn(&Ended, &F::Output),
{
    let frame = Frame {
        names: Carried(scope.function()),
        scope: Some(scope),
    };
    Scoped {
        future,
        judge,
        frame,
    }
}

impl<M, F, J> Future for Scoped<M, F, J>
where
    M: Names,
    F: Future,
    J: Fn(&Ended, &F::Output),
{
    type Output = F::Output;

    /// The place of the caller is that of the `.await`, unless something stands between.
    #[inline]
    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let function = this.frame.names.function();
        let entered = context::enter(function, M::KIND, &mut this.frame.scope, Location::caller());
        let poll = this.future.poll(cx);
        drop(entered);
        let value = ready!(poll);
        if let Some(scope) = this.frame.scope.take()
            && !scope.is_clean()
        {
            (this.judge)(&Ended { scope }, &value);
        }
        Poll::Ready(value)
    }
}

impl<M: Names> Frame<M> {
    /// Enters the scope for the drop of what it holds; leaving it is [`Drop`]'s.
    fn begin_drop(&mut self) {
        if let Some(scope) = &self.scope {
            context::push_for_drop(self.names.function(), M::KIND, Arc::clone(scope));
        }
    }
}

impl<M: Names> Drop for Frame<M> {
    fn drop(&mut self) {
        if let Some(scope) = self.scope.take() {
            context::pop_after_drop();
            given_up(&scope);
        }
    }
}

/// A scope ended by cancellation or panic: nothing was returned, so whatever is left has outlived it. No panic here.
fn given_up(scope: &Scope) {
    for handle in scope.end_holding_nothing() {
        let _told: Reaction = lint::outlived_scope(scope, &handle, false);
    }
}

/// A scope that has returned and still holds something.
#[derive(Debug)]
pub struct Ended {
    scope: Arc<Scope>,
}

impl Ended {
    /// Judges what the scope has lost; what it holds passes to the scope around it, whatever was returned.
    pub(crate) fn hand_up<T>(&self, value: &T) {
        if !probe::failed(value) {
            // A panic would have no place in the user's file.
            for lost in self.scope.take_lost() {
                let _told: Reaction = lint::implicit_rollback(&self.scope, &lost);
            }
        }
        self.scope.end_handing_up();
    }

    /// Judges what the scope holds and has lost, by what is known of the value that it returned.
    ///
    /// # Panics
    ///
    /// At the caller's location, where `outlived_scope` or `implicit_rollback` is at deny.
    #[track_caller]
    pub fn judge(&self, returned: Returned) {
        let mut panic = None;
        // All are told; one panic is enough.
        let mut heed = |reaction| {
            if let Reaction::Panic(message) = reaction {
                panic.get_or_insert(message);
            }
        };
        if returned.failed == Some(false) {
            for lost in self.scope.take_lost() {
                heed(lint::implicit_rollback(&self.scope, &lost));
            }
        }
        if returned.may_hold || self.scope.function().may_return_handle() {
            self.scope.end_handing_up();
        } else {
            for handle in self.scope.end_holding_nothing() {
                heed(lint::outlived_scope(&self.scope, &handle, true));
            }
        }
        if let Some(message) = panic {
            panic!("{message}");
        }
    }
}

pin_project! {
    /// A stream that knows its function.
    #[must_use = "streams do nothing unless polled"]
    #[derive(Debug)]
    pub struct ScopedStream<S> {
        function: &'static Function,
        #[pin]
        stream: S,
    }
}

/// Gives `stream` the name of `function`. What it takes belongs to the scope of whoever reads it.
#[inline]
pub fn scope_stream<S: Stream>(function: &'static Function, stream: S) -> ScopedStream<S> {
    ScopedStream { function, stream }
}

impl<S: Stream> Stream for ScopedStream<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let this = self.project();
        let mut none = None;
        let _entered = context::enter(
            this.function,
            FrameKind::Stream,
            &mut none,
            Location::caller(),
        );
        this.stream.poll_next(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.stream.size_hint()
    }
}
