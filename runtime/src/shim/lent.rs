//! Which handle a plain connection was just lent from, on this thread.
//!
//! `Connection::begin` and the like are called on the plain connection right after it was dereferenced; the address finds
//! the way back. An entry counts only while its handle is alive and still lent, so a stale one finds nothing.

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

/// The handle that `connection` was lent from.
pub(super) fn of<C>(connection: &C) -> Option<Arc<Handle>> {
    let (last, handle) = LAST.try_with(|last| last.borrow().clone()).ok()?;
    (last == address(connection))
        .then(|| handle.upgrade())
        .flatten()
        .filter(|handle| handle.is_alive() && handle.is_lent())
}
