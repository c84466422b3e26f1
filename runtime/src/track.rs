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

use crate::handle::owner;
use crate::lint::{self, Reaction};
use crate::scope::Scope;
use crate::scope::context::{self, FrameKind};
use crate::site::{Site, TrackedFn};

pub(crate) mod in_scope;
pub(crate) mod returned;

use returned::Returned;

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
pub fn at<F: IntoFuture>(
    function: &'static TrackedFn,
    site: usize,
    future: F,
) -> At<F::IntoFuture> {
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
pub fn enter<T>(function: &'static TrackedFn, site: usize, value: T) -> T {
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
    fn function(&self) -> &'static TrackedFn;
}

/// A scope of its own.
#[derive(Debug)]
pub struct Named(&'static TrackedFn);

impl Names for Named {
    const KIND: FrameKind = FrameKind::Scope;

    #[inline]
    fn function(&self) -> &'static TrackedFn {
        self.0
    }
}

/// A scope that is made already, whatever stands around it on the stack.
#[derive(Debug)]
pub(crate) struct Carried(&'static TrackedFn);

impl Names for Carried {
    const KIND: FrameKind = FrameKind::Carried;

    fn function(&self) -> &'static TrackedFn {
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
        // `None` once it is dropped, which happens inside the scope.
        #[pin]
        future: Option<F>,
        judge: J,
        names: M,
        // `None` before the first statement or handle, and again when the future has returned.
        scope: Option<Arc<Scope>>,
    }

    impl<M: Names, F, J> PinnedDrop for Scoped<M, F, J> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let Some(scope) = this.scope else {
                return;
            };
            let (function, polled_at) = (this.names.function(), scope.polled_at());
            // Also where the future's drop panics.
            let abandoned = Abandoned(this.scope);
            let entered = context::enter(function, M::KIND, abandoned.0, polled_at);
            this.future.set(None);
            drop(entered);
            drop(abandoned);
        }
    }
}

/// Ends the scope of a future that was cancelled or has panicked: nothing was returned, so whatever is left has outlived
/// it. No panic here.
struct Abandoned<'a>(&'a mut Option<Arc<Scope>>);

impl Drop for Abandoned<'_> {
    fn drop(&mut self) {
        let Some(scope) = self.0.take() else {
            return;
        };
        for handle in owner::end_holding_nothing(&scope) {
            let _: Reaction = lint::outlived_scope(&scope, &handle, false);
        }
    }
}

/// Runs `future` in a scope of `function`. When it returns, `judge` is given the value if the scope still holds something.
#[inline]
pub fn scope<F, J>(function: &'static TrackedFn, future: F, judge: J) -> Scoped<Named, F, J>
where
    F: Future,
    J: Fn(&Ended, &F::Output),
{
    Scoped {
        future: Some(future),
        judge,
        names: Named(function),
        scope: None,
    }
}

/// Runs `future` in a scope that is made already.
pub(crate) fn in_scope<F, J>(scope: Arc<Scope>, future: F, judge: J) -> Scoped<Carried, F, J>
where
    F: Future,
    J: Fn(&Ended, &F::Output),
{
    Scoped {
        future: Some(future),
        judge,
        names: Carried(scope.tracked_fn()),
        scope: Some(scope),
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
        let function = this.names.function();
        let future = this.future.as_pin_mut();
        let future = future.expect("BUG: a future is dropped with what it is in");
        let entered = context::enter(function, M::KIND, this.scope, Location::caller());
        let poll = future.poll(cx);
        drop(entered);
        let value = ready!(poll);
        if let Some(scope) = this.scope.take()
            && !scope.is_clean()
        {
            (this.judge)(&Ended { scope }, &value);
        }
        Poll::Ready(value)
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
        if !returned::failed(value) {
            // A panic would have no place in the user's file.
            for lost in self.scope.take_lost() {
                let _: Reaction = lint::implicit_rollback(&self.scope, &lost);
            }
        }
        owner::end_handing_up(&self.scope);
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
            owner::end_handing_up(&self.scope);
        } else {
            for handle in owner::end_holding_nothing(&self.scope) {
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
        function: &'static TrackedFn,
        #[pin]
        stream: S,
    }
}

/// Gives `stream` the name of `function`. What it takes belongs to the scope of whoever reads it.
#[inline]
pub fn scope_stream<S: Stream>(function: &'static TrackedFn, stream: S) -> ScopedStream<S> {
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
