//! Finds the handle of a plain connection, by the connection's address.
//!
//! An address alone shows nothing: the handle may have moved, and another connection may stand in its old place. Each
//! of these shows that it has not:
//!
//! - a scope of this task was lent the connection, and still runs: its future has the borrow;
//! - the attribute saw that the variable of the handle stays in its place, and the variable is still there;
//! - the connection was lent a moment ago, in the poll that is running.

use std::cell::RefCell;
use std::sync::{Arc, Weak};

use crate::handle::Handle;
use crate::handle::lent::{self, Use};
use crate::lifecycle::startup;
use crate::pool_state::endpoint::System;
use crate::scope::context::{self, Moment};
use crate::scope::{Borrowed, Scope};

thread_local! {
    /// The loan that was made last on this thread, until a tracked function uses it.
    static LAST: RefCell<Option<Last>> = const { RefCell::new(None) };
}

struct Last {
    address: usize,
    handle: Weak<Handle>,
    when: Moment,
}

/// How the source uses the connection that a statement is sent on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    /// The borrow is made in the statement itself: `conn.as_mut()`.
    pub(super) inline: bool,
    /// The function uses the variable for its statements alone.
    pub(super) sole: bool,
}

pub(super) fn address<C>(connection: &C) -> usize {
    std::ptr::from_ref(connection).addr()
}

/// Records that the handle lends its plain connection.
pub(super) fn note<C>(connection: &C, handle: &Arc<Handle>) {
    let address = address(connection);
    handle.lend(address);
    let last = Moment::now().map(|when| Last {
        address,
        handle: Arc::downgrade(handle),
        when,
    });
    let _ = LAST.try_with(|before| before.replace(last));
}

/// The handle of a plain connection, which is used here.
pub(super) fn of<C>(connection: &C) -> Option<Arc<Handle>> {
    let written = Written {
        inline: false,
        sole: true,
    };
    at(address(connection), written)
}

/// The handle of the plain connection at this address, on which a statement is sent.
pub(super) fn at(address: usize, written: Written) -> Option<Arc<Handle>> {
    // Reads the environment before a scope is made, which reads the levels.
    if startup::is_off() {
        return None;
    }
    let scope = context::scope();
    if let Some(scope) = &scope
        && let Some((handle, borrower)) = lent::lent_at(address, scope)
    {
        note_use(&handle, address, borrower, scope, written);
        return Some(handle);
    }
    let (last, handle) = take_last(|last| last.address == address)?;
    if let Some(scope) = &scope {
        note_use(
            &handle,
            address,
            last.when.scope_since().as_deref(),
            scope,
            written,
        );
    }
    Some(handle)
}

/// The handle of a plain connection whose address is not known, because its type is generic in the function.
pub(super) fn of_generic(system: System, written: Written) -> Option<Arc<Handle>> {
    if startup::is_off() {
        return None;
    }
    let scope = context::scope()?;
    if let Some((handle, address, borrower)) = lent::lent_to(&scope) {
        if handle.pool.endpoint.system != system {
            return None;
        }
        note_use(&handle, address, Some(borrower), &scope, written);
        return Some(handle);
    }
    let (last, handle) = take_last(|last| {
        let handle = last.handle.upgrade();
        handle.is_some_and(|handle| handle.pool.endpoint.system == system)
    })?;
    let borrower = last.when.scope_since();
    note_use(&handle, last.address, borrower.as_deref(), &scope, written);
    Some(handle)
}

/// Takes the last loan, if it was made in the poll that is running, and its handle is still held.
fn take_last(is_it: impl FnOnce(&Last) -> bool) -> Option<(Last, Arc<Handle>)> {
    let last = LAST.try_with(|last| last.borrow_mut().take_if(|last| is_it(last)));
    let last = last.ok().flatten()?;
    let handle = last.handle.upgrade()?;
    (last.when.is_in_this_poll() && handle.is_held()).then_some((last, handle))
}

/// Records that `scope` uses the connection at `address`. `borrower` is the scope to which its owner has lent it, if
/// that is not the owner's own.
fn note_use(
    handle: &Handle,
    address: usize,
    borrower: Option<&Scope>,
    scope: &Scope,
    written: Written,
) {
    if let Some(borrower) = borrower {
        borrower.borrow(Borrowed {
            handle: handle.id(),
            address,
        });
    }
    handle.note_use(Use {
        by: scope.function(),
        is_whole: borrower.is_none() && written.inline,
        is_all: written.sole && borrower.is_none_or(|borrower| std::ptr::eq(borrower, scope)),
    });
}
