//! The futures and streams that the expansion of `#[track]` makes. Each knows its call site or its function.

#[cfg(test)]
mod tests;

use std::any::type_name;
use std::future::{Future, IntoFuture};
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use pin_project_lite::pin_project;

use crate::handle::{in_task, lent, owner};
use crate::lint::{self, Ending, Reaction};
use crate::scope::Scope;
use crate::scope::context::{self, Current, FrameKind};
use crate::site::{self, Site, TrackedFn};

pub(crate) mod asked;
pub(crate) mod in_scope;
pub(crate) mod in_test;
pub(crate) mod returned;

use asked::Asked;
use returned::{Holds, Returned};

pin_project! {
    /// A future that is polled at a call site.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    #[derive(Debug)]
    pub struct At<F> {
        site: &'static Site,
        #[pin]
        future: F,
    }
}

/// Wraps `future` so that a call site of `function` is the current one while it is polled.
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

    /// The caller's location is that of the user's `.await`, unless other code polls in between.
    #[inline]
    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _site = context::set_site(Some(this.site), Some(Location::caller()));
        this.future.poll(cx)
    }
}

/// What [`awaiting`] has begun.
#[derive(Debug)]
pub struct Awaiting(());

/// Makes a call site of the innermost function the current one until [`awaited`], or until the function returns.
///
/// The expansion writes `awaited(awaiting(0), future.await)` where the function's own body awaits the future directly.
/// That is the same as to await [`At`], and a compiler takes a fourth of the time for it. Between two polls, the scope
/// keeps the call site.
///
/// The caller's location is that of the user's `.await`.
#[inline]
#[track_caller]
pub fn awaiting(site: usize) -> Awaiting {
    context::await_site(site, Location::caller());
    Awaiting(())
}

/// Ends what [`awaiting`] began, and returns `value` as it is.
#[inline]
pub fn awaited<T>(_: Awaiting, value: T) -> T {
    context::leave_site();
    value
}

pin_project! {
    /// The future of a call that was passed a lent connection.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    #[derive(Debug)]
    pub struct Lending<F> {
        #[pin]
        future: F,
    }
}

/// Wraps the future of a call that is passed a lent connection. Where no tracked function runs in its poll, code that is
/// not seen uses the connection.
#[inline]
pub fn lending<F: IntoFuture>(future: F) -> Lending<F::IntoFuture> {
    Lending {
        future: future.into_future(),
    }
}

impl<F: Future> Future for Lending<F> {
    type Output = F::Output;

    /// The caller's location is that of the user's `.await`, unless other code polls in between.
    #[inline]
    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let before = context::calls();
        let poll = self.project().future.poll(cx);
        if context::calls() == before
            && let Some(scope) = context::made_scope()
        {
            lent::used_unseen(&scope);
        }
        poll
    }
}

pin_project! {
    /// The future of a call that a loop or a closure awaits.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    #[derive(Debug)]
    pub struct Round<F> {
        #[pin]
        future: F,
    }
}

/// Wraps a future that is awaited in a loop, so that the place of that `.await` is known where a box or a combinator
/// polls what is in it.
#[inline]
pub fn round<F: IntoFuture>(future: F) -> Round<F::IntoFuture> {
    Round {
        future: future.into_future(),
    }
}

impl<F: Future> Future for Round<F> {
    type Output = F::Output;

    /// The caller's location is that of the user's `.await`, unless other code polls in between.
    #[inline]
    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let _round = context::set_round(Location::caller());
        self.project().future.poll(cx)
    }
}

/// A value of this type, where no code is run. The expansion fixes the type of each `return` with it.
///
/// # Panics
///
/// Always.
#[must_use]
pub fn typed<T>() -> T {
    unreachable!("the expansion does not run this")
}

/// Makes a call site of `function` the current one until [`leave`], and returns `value` as it is.
///
/// The expansion puts it around an argument of the call that makes a stream, and [`leave`] around the call.
#[inline]
pub fn enter<T>(function: &'static TrackedFn, site: usize, value: T) -> T {
    context::enter_site(function.site(site));
    value
}

/// Ends what [`enter`] began, and returns `value` as it is.
#[inline]
pub fn leave<T>(value: T) -> T {
    context::leave_site();
    value
}

/// Names the function of a [`Scoped`] future.
///
/// Each implementor is a named type that hides its reference. In the types of the values that a future holds across an
/// await, the compiler forgets lifetimes, even `'static`. With a bare reference as the type argument, `join!` around
/// the future would not be `Send`.
pub trait Names {
    /// The kind of frame that each poll enters.
    const KIND: FrameKind;

    /// The function.
    fn function(&self) -> &'static TrackedFn;
}

/// A scope that is made when its future first needs one.
#[derive(Debug)]
pub struct Named(&'static TrackedFn);

impl Names for Named {
    const KIND: FrameKind = FrameKind::Scope;

    #[inline]
    fn function(&self) -> &'static TrackedFn {
        self.0
    }
}

/// A scope that was made beforehand. The frames on the thread's stack are not around it.
#[derive(Debug)]
pub(crate) struct Carried(&'static TrackedFn);

impl Names for Carried {
    const KIND: FrameKind = FrameKind::Carried;

    fn function(&self) -> &'static TrackedFn {
        self.0
    }
}

pin_project! {
    /// A future that runs in a scope.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Scoped<M, F, J>
    where
        M: Names,
    {
        // `None` once it was dropped, inside the scope.
        #[pin]
        future: Option<F>,
        judge: J,
        names: M,
        // `None` before the first statement or handle, and again once the future has returned.
        scope: Option<Arc<Scope>>,
        // The call site at which it waits, if it has begun that by `awaiting`.
        waits_at: Option<Current>,
    }

    impl<M: Names, F, J> PinnedDrop for Scoped<M, F, J> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let Some(scope) = this.scope else {
                return;
            };
            let (function, polled_at) = (this.names.function(), scope.polled_at());
            // A guard, so that the scope ends even if the future's drop panics.
            let abandoned = Abandoned(this.scope);
            let entered = context::enter(function, M::KIND, abandoned.0, polled_at);
            this.future.set(None);
            drop(entered);
            drop(abandoned);
        }
    }
}

/// Ends the scope of a future that was cancelled or has panicked. Nothing was returned, so every handle that is left
/// has outlived the scope. It is reported without a panic.
struct Abandoned<'a>(&'a mut Option<Arc<Scope>>);

impl Drop for Abandoned<'_> {
    fn drop(&mut self) {
        let Some(scope) = self.0.take() else {
            return;
        };
        lent::give_back(&scope, false);
        for handle in owner::end_holding_nothing(&scope) {
            let _: Reaction = lint::outlived_scope(&scope, &handle, Ending::CutShort);
        }
        for postponed in scope.take_postponed() {
            let _: Reaction = lint::report_postponed(&scope, postponed, false);
        }
        scope.pass_on_failures();
    }
}

/// Judges what a function has returned, where its scope still holds a handle or has lost a transaction.
pub trait Judge<T> {
    /// Judges it.
    ///
    /// # Panics
    ///
    /// As [`Ended::judge`].
    fn judge(&self, ended: &Ended, value: &T);
}

impl<T, J: Fn(&Ended, &T)> Judge<T> for J {
    fn judge(&self, ended: &Ended, value: &T) {
        self(ended, value);
    }
}

/// Judges a value of a type that is spelled with names of std, with an error that is known.
#[derive(Debug)]
pub struct Spelled;

impl<T> Judge<T> for Spelled {
    fn judge(&self, ended: &Ended, value: &T) {
        ended.judge(returned::of_spelled(value));
    }
}

/// Judges a value by what is asked of its type then.
#[derive(Debug)]
pub struct ByType(fn() -> Asked);

impl<T> Judge<T> for ByType {
    fn judge(&self, ended: &Ended, value: &T) {
        ended.judge((self.0)().of(value));
    }
}

/// Judges a value of which nothing is known, because part of its type is opaque. Inside the function that creates a closure
/// or an `async` block, the compiler does not know yet what that captures, so to ask about the type is an error.
#[derive(Debug)]
pub struct Opaque;

impl<T> Judge<T> for Opaque {
    fn judge(&self, ended: &Ended, _: &T) {
        ended.judge(Returned::UNKNOWN);
    }
}

/// Runs `future` in a scope of `function`, and judges what it returns as [`Spelled`].
#[inline]
pub fn scope_spelled<F>(function: &'static TrackedFn, future: F) -> Scoped<Named, F, Spelled> {
    scoped(function, future, Spelled)
}

/// Runs `future` in a scope of `function`, and judges what it returns [`ByType`].
#[inline]
pub fn scope_by_type<F>(
    function: &'static TrackedFn,
    future: F,
    asked: fn() -> Asked,
) -> Scoped<Named, F, ByType> {
    scoped(function, future, ByType(asked))
}

/// Runs `future` in a scope of `function`, and judges what it returns as [`Opaque`].
#[inline]
pub fn scope_opaque<F>(function: &'static TrackedFn, future: F) -> Scoped<Named, F, Opaque> {
    scoped(function, future, Opaque)
}

/// Runs `future` in a scope of `function`. When it returns, `judge` judges the value if the scope still holds a handle or
/// has lost a transaction.
#[inline]
pub(crate) fn scoped<F, J>(
    function: &'static TrackedFn,
    future: F,
    judge: J,
) -> Scoped<Named, F, J> {
    Scoped {
        future: Some(future),
        judge,
        names: Named(function),
        scope: None,
        waits_at: None,
    }
}

/// Runs `future` in a scope that was made beforehand.
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
        waits_at: None,
    }
}

impl<M, F, J> Future for Scoped<M, F, J>
where
    M: Names,
    F: Future,
    J: Judge<F::Output>,
{
    type Output = F::Output;

    /// The caller's location is that of the user's `.await`, unless other code polls in between.
    #[inline]
    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let function = this.names.function();
        let future = this.future.as_pin_mut();
        let future = future.expect("BUG: only the drop empties `future`");
        let entered = context::enter(function, M::KIND, this.scope, Location::caller());
        if let Some(waits_at) = *this.waits_at {
            context::go_on(waits_at);
        }
        let Poll::Ready(value) = future.poll(cx) else {
            *this.waits_at = context::current();
            return Poll::Pending;
        };
        drop(entered);
        if let Some(scope) = this.scope.take() {
            if scope.is_clean() {
                Scope::end_clean(scope);
            } else {
                in_task::settle_uses(&scope, cx.waker());
                let ended = Ended {
                    scope,
                    task: cx.waker().clone(),
                    value: type_name::<F::Output>(),
                };
                this.judge.judge(&ended, &value);
            }
        }
        Poll::Ready(value)
    }
}

/// A scope that has returned, and still holds a handle or has lost a transaction.
#[derive(Debug)]
pub struct Ended {
    scope: Arc<Scope>,
    /// The waker of its task.
    task: Waker,
    /// The type of the returned value.
    value: &'static str,
}

impl Ended {
    /// Judges the transactions that the scope has lost. Its handles pass to the scope around it, whatever was returned.
    ///
    /// # Panics
    ///
    /// With `fail=likely`, where no scope around it can.
    pub(crate) fn hand_up<T>(&self, value: &T) {
        if !returned::failed(value) {
            // Reported without a panic, which would have no place in the user's file.
            for lost in self.scope.take_lost() {
                let _: Reaction = lint::implicit_rollback(&self.scope, &lost, false);
            }
        }
        for postponed in self.scope.take_postponed() {
            let _: Reaction = lint::report_postponed(&self.scope, postponed, false);
        }
        // The same.
        _ = lint::repeated(&self.scope, false);
        lent::give_back(&self.scope, true);
        owner::end_handing_up(&self.scope, &self.task, self.value);
        if self.scope.is_outermost()
            && let Some(message) = self.scope.take_failures()
        {
            panic!("{message}");
        }
        self.scope.pass_on_failures();
    }

    /// Judges the handles that the scope holds and the transactions that it has lost, by what is known of the returned
    /// value.
    ///
    /// # Panics
    ///
    /// At the function's name, in a debug build, where `outlived_scope` or `implicit_rollback` is at deny and its finding is
    /// certain.
    fn judge(&self, returned: Returned) {
        if let Some(message) = self.found(returned) {
            site::panic_at(None, Some(self.scope.function()), &message);
        }
    }

    /// The message of the panic at the return, if there must be one. What stops the program at a query, panics here.
    fn found(&self, returned: Returned) -> Option<String> {
        let mut panic = None;
        // All are reported. The first that must panic supplies the message.
        let mut act_on = |reaction| {
            if let Reaction::Panic(message) = reaction {
                panic.get_or_insert(message);
            }
        };
        if returned.failed == Some(false) {
            for lost in self.scope.take_lost() {
                act_on(lint::implicit_rollback(&self.scope, &lost, true));
            }
        }
        for postponed in self.scope.take_postponed() {
            act_on(lint::report_postponed(&self.scope, postponed, true));
        }
        let stop = lint::repeated(&self.scope, true);
        let may_hold = returned.holds == Holds::Handle;
        lent::give_back(&self.scope, may_hold);
        if may_hold || self.scope.function().options().may_return_handle() {
            owner::end_handing_up(&self.scope, &self.task, self.value);
        } else {
            let ending = Ending::Returned {
                may_hide: returned.holds == Holds::Hidden,
                kept_in: returned.kept_in,
            };
            for handle in owner::end_holding_nothing(&self.scope) {
                act_on(lint::outlived_scope(&self.scope, &handle, ending));
            }
        }
        let panic = panic.or(self.scope.take_failures());
        if panic.is_none()
            && let Some((site, function, message)) = stop
        {
            site::panic_at(site, function, &message);
        }
        panic
    }
}

pin_project! {
    /// A stream that is polled under the name of its function.
    #[must_use = "streams do nothing unless polled"]
    #[derive(Debug)]
    pub struct ScopedStream<S> {
        function: &'static TrackedFn,
        #[pin]
        stream: S,
    }
}

/// Polls `stream` under the name of `function`. Its handles belong to the scope of the code that polls it.
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
