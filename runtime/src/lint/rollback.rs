//! A transaction that had written was dropped, in a scope that returned no error.

use std::ptr;

use std::sync::Arc;

use super::Reaction;
use super::describe::closing_notes;
use super::emit::{Audience, Log};
use super::judge::judge;
use crate::config;
use crate::finding::{Certainty, Finding, Lint, Related};
use crate::scope::{Lost, Scope};
use crate::source::function::Function;
use crate::source::place::Place;

/// `scope` has lost a transaction, and returned no error.
pub(crate) fn implicit_rollback(scope: &Arc<Scope>, lost: &Lost, may_panic: bool) -> Reaction {
    let function = scope.function();
    let Some(level) = judge(
        &config::rules(),
        Lint::ImplicitRollback,
        Some(function),
        lost.pool.as_deref(),
    ) else {
        return Reaction::Go;
    };
    let doubt = match dropped(lost, function) {
        Dropped::Unseen => return Reaction::Go,
        Dropped::Perhaps(doubt) => Some(doubt),
        Dropped::Here if !lost.wrote.writes_for_sure() => {
            Some("the rows that the statement returned do not show whether it wrote")
        }
        Dropped::Here if lost.may_have_failed => {
            Some("a statement in it failed, or ran unseen, and may be why it was dropped")
        }
        Dropped::Here => None,
    };
    let certainty = match doubt {
        Some(_) => Certainty::Likely,
        None => Certainty::Certain,
    };
    let what = lost.noun();
    let wrote = lost.wrote.place();
    let finding = Finding::of(Lint::ImplicitRollback, level, lost.begun)
        .at_fault(function.name())
        .title(format!(
            "{} returned without an error, and a {what} that had written was dropped without commit",
            function.name()
        ))
        .label("begun here")
        .pool_if_any(lost.pool.as_deref())
        .cause(
            certainty,
            format!("a {what} that is dropped while open is rolled back"),
        )
        .all_related(wrote.map(|place| Related::new("the changes of this statement are lost", place)))
        .related(
            format!("the {what} is dropped in here, and no error is returned"),
            function.place(),
        )
        .holder(lost.begun)
        .fact("last write", lost.wrote.summary.clone())
        .help("commit it before returning: `tx.commit().await?`")
        .help("or, if its changes are to be discarded, roll back explicitly: `tx.rollback().await?`")
        .notes(doubt.map(str::to_owned))
        .notes(closing_notes(Lint::ImplicitRollback, Some(function), None));
    finding.report(Audience {
        span: &lost.span,
        collector: scope.collector().cloned(),
        scope: Some(Arc::clone(scope)),
        may_panic,
        log: Log::PerCause,
    })
}

/// Where a transaction was dropped, as seen from the function that is judged for it.
enum Dropped {
    /// In the function's own body, where a variable held it.
    Here,
    /// There or in a function that it calls; or because of an error that was handled.
    Perhaps(&'static str),
    /// In code without `#[track]`.
    Unseen,
}

const IN_BLOCK: &str = "it was begun in a block, closure or macro, which may have ended with an error that was handled";
const IN_LOOP: &str =
    "it was begun in a loop, which may have continued after an error that was handled";
const IN_SCOPE: &str = "an error may have been handled in this scope";
const PASSED_ON: &str = "it was passed on, perhaps to code that failed and whose error was handled";

fn dropped(lost: &Lost, function: &'static Function) -> Dropped {
    let is_judged = |other: &Function| ptr::eq(function, other);
    if let Some(site) = lost.site.filter(|site| is_judged(site.function())) {
        return if site.has_block() {
            Dropped::Perhaps(IN_BLOCK)
        } else if !site.stays() {
            Dropped::Perhaps(PASSED_ON)
        } else if function.repeats(site.position()) {
            Dropped::Perhaps(IN_LOOP)
        } else {
            Dropped::Here
        };
    }
    if !function.has_body() {
        return Dropped::Perhaps(IN_SCOPE);
    }
    if lost.function.is_some_and(is_judged) {
        let Place {
            file, line, column, ..
        } = lost.begun;
        // As in `timeout(limit, pool.begin())`. Where the attribute knows the acquire but not the begin, the place is the
        // acquire's.
        return if !lost.is_taken_at_site && function.has(file, line, column) {
            Dropped::Perhaps(PASSED_ON)
        } else {
            Dropped::Unseen
        };
    }
    // A callee returned it, or it is an argument.
    let Some(handed_up_at) = lost.handed_up_at else {
        return Dropped::Perhaps(PASSED_ON);
    };
    match function.position_of(handed_up_at) {
        None => Dropped::Unseen,
        Some(_) if !function.keeps(handed_up_at) => Dropped::Perhaps(PASSED_ON),
        Some(position) if function.repeats(position) => Dropped::Perhaps(IN_LOOP),
        Some(_) => Dropped::Here,
    }
}
