//! Code of others that we call: subscribers, callbacks, wakers. Whatever it does, the program goes on as without us.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;
use std::thread::LocalKey;

use crate::scope::context;

thread_local! {
    static IN_SUBSCRIBER: Cell<bool> = const { Cell::new(false) };
    static IN_CALLBACK: Cell<bool> = const { Cell::new(false) };
}

/// Runs what tells a subscriber something. `None` if it panicked, of which the panic hook has heard, or if a subscriber is
/// just being told something on this thread: an event that comes of an event would have no end.
pub(crate) fn subscriber<T>(tell: impl FnOnce() -> T) -> Option<T> {
    call(&IN_SUBSCRIBER, tell)?.ok()
}

/// Runs a callback, and gives whether it panicked; not while one runs on this thread: what is found in a callback would
/// have no end.
pub(crate) fn callback(callback: impl FnOnce()) -> Result<(), Panicked> {
    call(&IN_CALLBACK, callback).unwrap_or(Ok(()))
}

/// Wakes a task, from a thread that has nothing to do with it.
pub(crate) fn wake(waker: Waker) {
    _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
}

/// It has unwound to us, and no further.
pub(crate) struct Panicked;

fn call<T>(
    is_running: &'static LocalKey<Cell<bool>>,
    call: impl FnOnce() -> T,
) -> Option<Result<T, Panicked>> {
    // While a thread is torn down nobody is told.
    if is_running.try_with(|it| it.replace(true)).unwrap_or(true) {
        return None;
    }
    let called = catch_unwind(AssertUnwindSafe(|| context::outside(call)));
    let _ = is_running.try_with(|it| it.set(false));
    Some(called.map_err(|_| Panicked))
}
