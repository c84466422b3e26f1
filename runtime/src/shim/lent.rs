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
    /// All that the function does with the variable is in sight: queries, and calls that it awaits.
    pub(super) sole: bool,
}

fn address<C>(connection: &C) -> usize {
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
        borrower: borrower.map(Scope::function),
        is_whole: borrower.is_none() && written.inline,
        is_all: written.sole && borrower.is_none_or(|borrower| is_in_sight(scope, borrower)),
    });
}

/// Whether the functions between `scope` and `borrower`, and that of `borrower`, do nothing unseen with the connection.
fn is_in_sight(scope: &Scope, borrower: &Scope) -> bool {
    if std::ptr::eq(scope, borrower) {
        return true;
    }
    for around in scope.chain_of_task().skip(1) {
        if !around.function().lends_in_sight() {
            return false;
        }
        if std::ptr::eq(around, borrower) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use std::panic::Location;
    use std::time::Instant;

    use super::*;
    use crate::handle::asked::{Asked, Purpose};
    use crate::handle::held::Held;
    use crate::handle::lent::give_back;
    use crate::pool_state::PoolState;
    use crate::scope::context::FrameKind;
    use crate::scope::origin::Origin;
    use crate::site::TrackedFn;
    use crate::source::function::{Function, panic_here};
    use crate::source::options::Options;

    /// Any value: only its place counts.
    type Connection = [u64; 4];

    const STAYS: usize = 0;
    const MOVES: usize = 1;

    static HOLDER: TrackedFn = TrackedFn::written(
        (),
        |_, message| panic_here(message),
        file!(),
        "at 1:1; body 1:1-1:2; straight; site 1:1 acquire stays; site 1:1 acquire",
    );
    static HELPER: TrackedFn = TrackedFn::new(Function::unseen(
        file!(),
        "at 1:1",
        &Options::NONE.named("helper"),
    ));

    fn in_poll_of<T>(
        function: &'static TrackedFn,
        slot: &mut Option<Arc<Scope>>,
        poll: impl FnOnce() -> T,
    ) -> T {
        let _entered = context::enter(function, FrameKind::Scope, slot, Location::caller());
        poll()
    }

    fn held(site: usize) -> Held {
        let _site = context::set_site(Some(HOLDER.site(site)), None);
        Held::at_once(Asked {
            pool: PoolState::for_tests(1),
            origin: Origin::Site(HOLDER.site(site)),
            purpose: Purpose::Connection,
            task: None,
            when: Instant::now(),
        })
    }

    fn is_of(connection: &Connection, held: &Held) -> bool {
        of(connection).is_some_and(|found| found.id() == held.handle().id())
    }

    /// Runs `poll` in a poll of the helper, and ends the helper's scope.
    fn in_helper<T>(poll: impl FnOnce() -> T) -> T {
        let mut slot = None;
        let output = in_poll_of(&HELPER, &mut slot, poll);
        if let Some(scope) = slot {
            give_back(&scope, false);
        }
        output
    }

    #[test]
    fn in_the_poll_in_which_it_was_lent() {
        let connection = Connection::default();
        in_poll_of(&HOLDER, &mut None, || {
            let held = held(MOVES);
            note(&connection, held.handle());
            assert!(in_helper(|| is_of(&connection, &held)));
            // The helper has returned, and another connection may stand there now.
            assert!(!in_helper(|| is_of(&connection, &held)));
        });
    }

    #[test]
    fn not_after_another_function_was_polled() {
        let connection = Connection::default();
        in_poll_of(&HOLDER, &mut None, || {
            let held = held(MOVES);
            note(&connection, held.handle());
            in_helper(|| ());
            assert!(!is_of(&connection, &held));
            assert!(!in_helper(|| is_of(&connection, &held)));
        });
    }

    #[test]
    fn not_in_a_later_poll() {
        let connection = Connection::default();
        let mut slot = None;
        let held = in_poll_of(&HOLDER, &mut slot, || {
            let held = held(MOVES);
            note(&connection, held.handle());
            held
        });
        in_poll_of(&HOLDER, &mut slot, || {
            assert!(!is_of(&connection, &held));
            assert!(!in_helper(|| is_of(&connection, &held)));
        });
    }

    #[test]
    fn in_all_polls_of_the_helper_that_has_the_borrow() {
        let connection = Connection::default();
        in_poll_of(&HOLDER, &mut None, || {
            let held = held(MOVES);
            let mut helper = None;
            note(&connection, held.handle());
            for _ in 0..2 {
                in_poll_of(&HELPER, &mut helper, || {
                    assert!(is_of(&connection, &held));
                    assert!(in_helper(|| is_of(&connection, &held)));
                });
            }
        });
    }

    #[test]
    fn while_its_variable_stays_in_its_place() {
        let connection = Connection::default();
        let mut slot = None;
        let held = in_poll_of(&HOLDER, &mut slot, || {
            let held = held(STAYS);
            note(&connection, held.handle());
            held
        });
        in_poll_of(&HOLDER, &mut slot, || {
            for _ in 0..2 {
                assert!(in_helper(|| is_of(&connection, &held)));
            }
            let elsewhere = Connection::default();
            assert!(!in_helper(|| is_of(&elsewhere, &held)));
            held.handle().take_back();
            assert!(!in_helper(|| is_of(&connection, &held)));
        });
    }

    #[test]
    fn of_the_handle_that_was_lent_there_last() {
        let connection = Connection::default();
        in_poll_of(&HOLDER, &mut None, || {
            let (first, second) = (held(STAYS), held(STAYS));
            note(&connection, first.handle());
            note(&connection, second.handle());
            assert!(in_helper(|| is_of(&connection, &second)));
            note(&connection, first.handle());
            assert!(in_helper(|| is_of(&connection, &first)));
        });
    }

    #[test]
    fn of_nobody_once_the_handle_has_ended() {
        let connection = Connection::default();
        in_poll_of(&HOLDER, &mut None, || {
            let held = held(STAYS);
            note(&connection, held.handle());
            drop(held);
            assert!(of(&connection).is_none());
            assert!(in_helper(|| of(&connection)).is_none());
        });
    }

    #[test]
    fn of_nobody_outside_of_the_holders_scopes() {
        let connection = Connection::default();
        let held = in_poll_of(&HOLDER, &mut None, || {
            let held = held(STAYS);
            note(&connection, held.handle());
            held
        });
        assert!(!in_helper(|| is_of(&connection, &held)));
    }
}
