//! Calls of foreign code: subscribers, callbacks and wakers.
//!
//! Whatever that code does, the program goes on as it would without the tracker.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;
use std::thread::LocalKey;

use tracing::Span;

use crate::scope::context;

thread_local! {
    static IN_SUBSCRIBER: Cell<bool> = const { Cell::new(false) };
    static IN_CALLBACK: Cell<bool> = const { Cell::new(false) };
    static IN_OBSERVER: Cell<bool> = const { Cell::new(false) };
}

/// Runs `emit`, which calls the subscriber.
///
/// Returns `None` if the subscriber panicked, which the panic hook has reported. Returns `None` without a call if a
/// subscriber is already running on this thread: events caused by events would not end.
pub(crate) fn subscriber<T>(emit: impl FnOnce() -> T) -> Option<T> {
    call(&IN_SUBSCRIBER, emit)?.ok()
}

/// Drops a clone of a span of the program, wherever that is: if it is the last one, the subscriber closes the span.
pub(crate) fn close(span: Span) {
    let was_running = IN_SUBSCRIBER.try_with(|it| it.replace(true));
    _ = catch_unwind(AssertUnwindSafe(|| context::outside(|| drop(span))));
    if let Ok(was_running) = was_running {
        _ = IN_SUBSCRIBER.try_with(|it| it.set(was_running));
    }
}

/// Runs a callback, unless one is already running on this thread: findings caused by callbacks would not end.
///
/// # Errors
///
/// [`Panicked`], if the callback panicked.
pub(crate) fn callback(callback: impl FnOnce()) -> Result<(), Panicked> {
    call(&IN_CALLBACK, callback).unwrap_or(Ok(()))
}

/// Calls an observer, unless one is already being called on this thread: what it sends and takes would not end.
///
/// # Errors
///
/// [`Panicked`], if the observer panicked.
pub(crate) fn observer(tell: impl FnOnce()) -> Result<(), Panicked> {
    call(&IN_OBSERVER, tell).unwrap_or(Ok(()))
}

/// Whether an observer is being called on this thread.
pub(crate) fn is_in_observer() -> bool {
    IN_OBSERVER.get()
}

/// Wakes a task. A panic of its waker goes no further.
pub(crate) fn wake(waker: Waker) {
    _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
}

/// The foreign code panicked, and the panic was caught.
pub(crate) struct Panicked;

/// Runs `call` outside of all scopes and catches its panic. Returns `None`, without a call, if `is_running` is set.
fn call<T>(
    is_running: &'static LocalKey<Cell<bool>>,
    call: impl FnOnce() -> T,
) -> Option<Result<T, Panicked>> {
    // Fails while the thread is torn down. Nothing is called then.
    if is_running.try_with(|it| it.replace(true)).unwrap_or(true) {
        return None;
    }
    let called = catch_unwind(AssertUnwindSafe(|| context::outside(call)));
    let _ = is_running.try_with(|it| it.set(false));
    Some(called.map_err(|_| Panicked))
}
