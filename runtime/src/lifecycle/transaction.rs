//! Looks for a failed transaction before a statement is sent in it, and before it is committed.

use crate::handle::Handle;
use crate::handle::begun::Failure;
use crate::lint::{self, Reaction};
use crate::scope::context;
use crate::site::tally::Tally;
use crate::site::{self, Site};
use crate::source::place::Place;

/// Called before `statement` is sent on the handle; without one, before its innermost transaction is committed.
///
/// # Panics
///
/// At the call site, where `failed_transaction` is at deny.
#[inline]
pub(crate) fn judge(handle: &Handle, statement: Option<&'static Tally>) {
    if let Some((failure, begun)) = handle.take_failure() {
        failed(handle, statement, &failure, begun);
    }
}

#[cold]
fn failed(handle: &Handle, statement: Option<&'static Tally>, failure: &Failure, begun: Place) {
    let site = context::site();
    let place = site
        .map(Site::place)
        .or_else(|| statement.and_then(Tally::place));
    let reaction = lint::failed_transaction(handle, statement, failure, begun, place);
    if let Reaction::Panic(message) = reaction {
        site::panic_at(site, place.and_then(|place| place.function), &message);
    }
}
