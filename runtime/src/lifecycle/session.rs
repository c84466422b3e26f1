//! Looks for what statements have set on a connection, before that goes back to its pool.

use std::sync::Arc;

use sqlx::Error;

use crate::finding::Finding;
use crate::handle::Handle;
use crate::handle::session::Mark;
use crate::lint::{self, Reaction, Way};
use crate::pool_state::registry;
use crate::scope::{Postponed, Scope, context};
use crate::site::tally::Tally;
use crate::site::{self, Site};

/// Called before the connection goes back to its pool, which leaves it as it is.
///
/// It may run in a destructor: a finding waits for the scope to return.
#[inline]
pub(crate) fn goes_back(handle: &Handle) {
    if handle.may_leave_state() {
        leaves_state(handle);
    }
    if handle.pool.renewed.are_any() {
        may_find_state(handle);
    }
}

#[cold]
fn leaves_state(handle: &Handle) {
    if is_gone(handle) {
        return;
    }
    let scope = context::scope();
    let function = scope.as_deref().map(Scope::function);
    let way = Way::GivenBack(function.filter(|function| function.has_body()));
    let left = handle.take_left();
    let open = left.open.as_ref();
    if let Some(finding) = open.and_then(|open| lint::transaction_is_left(handle, open, way)) {
        deliver(scope.as_ref(), of(handle, finding));
    }
    for marks in alike(&left.marks) {
        let Some(finding) = lint::state_is_left(handle, marks, way) else {
            continue;
        };
        if may_be_renewed(handle, &marks[0]) {
            handle.pool.renewed.keep(marks[0].item, finding);
        } else {
            deliver(scope.as_ref(), of(handle, finding));
        }
    }
}

/// Whether every other hold may set the same again, so that nobody works with it unknowingly.
fn may_be_renewed(handle: &Handle, mark: &Mark) -> bool {
    if !mark.item.kind.is_setting() {
        return false;
    }
    let is_only_connection = handle.pool.limits.max_connections == 1;
    mark.opens && is_only_connection || was_set_by_helper(handle, mark)
}

/// Whether it was set by a function that then returned the handle to its caller.
fn was_set_by_helper(handle: &Handle, mark: &Mark) -> bool {
    let Some(place) = mark.tally.place() else {
        // Untracked code, which may be a helper.
        return mark.opens;
    };
    let Some(function) = place.function else {
        return mark.opens;
    };
    // Of a statement without a call site, the place is the function's: it was sent by untracked code that it called.
    let is_of_callee = place.is_same(function.place());
    let by = handle.handed_up_by();
    is_of_callee && mark.opens || by.iter().any(|it| std::ptr::eq(*it, function))
}

/// A hold ends that began without what earlier ones have set.
#[cold]
fn may_find_state(handle: &Handle) {
    let first = handle.first_statement();
    let Some(effects) = first.map(Tally::effects) else {
        return;
    };
    let scope = context::scope();
    for finding in handle.pool.renewed.take_unless_set(effects) {
        let finding = lint::left_for(finding, handle);
        deliver(scope.as_ref(), of(handle, finding));
    }
}

/// Called when a statement that was sent to the pool itself has ended well.
///
/// # Panics
///
/// At its call site, where `session_state` is at deny.
#[inline]
pub(crate) fn judge_query(handle: &Handle) {
    if handle.purpose.is_query() && handle.may_leave_state() {
        query_leaves_state(handle);
    }
}

#[cold]
fn query_leaves_state(handle: &Handle) {
    if is_gone(handle) {
        return;
    }
    let scope = context::scope();
    let way = Way::ThroughPool;
    let left = handle.take_left();
    let open = left.open.iter();
    let open = open.filter_map(|open| lint::transaction_is_left(handle, open, way));
    let marks = alike(&left.marks);
    let marks = marks.filter_map(|marks| lint::state_is_left(handle, marks, way));
    let mut reaction = Reaction::Go;
    for finding in open.chain(marks) {
        let postponed = of(handle, finding);
        reaction = reaction.or(lint::report_at_once(postponed, scope.as_deref(), true));
    }
    if let Reaction::Panic(message) = reaction {
        let site = context::site();
        let function = site.map(Site::function).or(handle.place.function);
        site::panic_at(site, function, &message);
    }
}

/// Whether nothing can be sent on the connection after this error. Its pool closes it.
pub(super) fn breaks_connection(error: &Error) -> bool {
    match error {
        Error::Io(_) | Error::Tls(_) | Error::Protocol(_) | Error::WorkerCrashed => true,
        Error::Database(error) => {
            let code = error.code().unwrap_or_default();
            code.starts_with("08") || code.starts_with("57P")
        }
        _ => false,
    }
}

/// Whether the pool does not use the connection again.
fn is_gone(handle: &Handle) -> bool {
    let pool = registry::find(handle.pool.id());
    pool.is_none_or(|pool| pool.is_closed())
}

/// The marks of one text and one kind after another.
fn alike(marks: &[Mark]) -> impl Iterator<Item = &[Mark]> {
    marks.chunk_by(|one, next| {
        std::ptr::eq(one.tally, next.tally) && one.item.kind == next.item.kind
    })
}

fn of(handle: &Handle, finding: Finding) -> Postponed {
    Postponed {
        finding,
        span: handle.span.clone(),
    }
}

/// Reports a finding when the scope returns; without a scope, at once.
fn deliver(scope: Option<&Arc<Scope>>, finding: Postponed) {
    match scope {
        Some(scope) => scope.postpone(finding),
        None => {
            let _: Reaction = lint::report_at_once(finding, None, false);
        }
    }
}
