//! The handle that last lent its plain connection on this thread.
//!
//! `Connection::begin` and the like are called on the plain connection right after the dereference that lends it. The
//! address of the connection then finds the handle. It finds none once the handle has ended or is itself in use again.

use std::cell::RefCell;
use std::sync::{Arc, Weak};

use crate::handle::Handle;

thread_local! {
    static LAST: RefCell<(usize, Weak<Handle>)> = const { RefCell::new((0, Weak::new())) };
}

fn address<C>(connection: &C) -> usize {
    std::ptr::from_ref(connection).addr()
}

pub(super) fn note<C>(connection: &C, handle: &Arc<Handle>) {
    let _ =
        LAST.try_with(|last| *last.borrow_mut() = (address(connection), Arc::downgrade(handle)));
}

/// The handle that has lent `connection`, if it was the last on this thread and still is lent.
pub(super) fn of<C>(connection: &C) -> Option<Arc<Handle>> {
    let (last, handle) = LAST.try_with(|last| last.borrow().clone()).ok()?;
    (last == address(connection))
        .then(|| handle.upgrade())
        .flatten()
        .filter(|handle| handle.is_alive() && handle.is_lent())
}
