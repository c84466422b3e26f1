//! A transaction that had written was dropped, in a scope that says that all went well.

use std::ptr;

use super::describe::{closing_notes, fact, related};
use super::emit::{Audience, Path};
use super::{Certainty, Finding, Level, Lint, Reaction};
use crate::config;
use crate::handle::Lost;
use crate::scope::Scope;
use crate::site::{Function, Place};

/// `scope` returned, and not an error.
pub(crate) fn implicit_rollback(scope: &Scope, lost: &Lost) -> Reaction {
    let function = scope.function();
    let pool = lost.handle.pool.name();
    let level = config::level(Lint::ImplicitRollback, Some(function), Some(&pool));
    if level == Level::Allow {
        return Reaction::Go;
    }
    let doubt = match dropped(lost, function) {
        Dropped::Unseen => return Reaction::Go,
        Dropped::Perhaps(doubt) => Some(doubt),
        Dropped::Here if !lost.wrote.writes_for_sure() => {
            Some("whether that statement wrote is not told by the rows it gave")
        }
        Dropped::Here if lost.may_have_failed => {
            Some("a statement in it failed, or ran unseen, and may be why it was dropped")
        }
        Dropped::Here => None,
    };
    let what = if lost.is_savepoint {
        "savepoint"
    } else {
        "transaction"
    };
    let mut told = Vec::new();
    if let Some(place) = lost.wrote.place() {
        told.push(related("what this wrote is lost", place));
    }
    told.push(related(
        format!("the {what} is dropped in here, and no error is returned"),
        function.place(),
    ));
    let mut notes: Vec<String> = doubt.map(str::to_owned).into_iter().collect();
    notes.extend(closing_notes(Lint::ImplicitRollback, Some(function), None));
    let finding = Finding {
        lint: Lint::ImplicitRollback,
        level,
        certainty: if doubt.is_some() {
            Certainty::Likely
        } else {
            Certainty::Certain
        },
        cause: format!("a {what} that is dropped while open is rolled back"),
        title: format!(
            "{} returned without an error, and a {what} that had written was dropped without commit",
            function.name()
        ),
        verdict: None,
        primary: lost.begun.to_call_site(),
        label: "begun here".to_owned(),
        function: Some(function.name().to_owned()),
        pool: Some(pool.to_string()),
        related: told,
        facts: vec![fact("wrote last", lost.wrote.summary.clone())],
        help: vec![
            "commit it before returning: `tx.commit().await?`".to_owned(),
            "or, if what it wrote is to be thrown away, say so: `tx.rollback().await?`".to_owned(),
        ],
        notes,
    };
    finding.tell(Audience::of(&lost.handle, scope.collector(), Path::Running))
}

/// Where a transaction was dropped, seen from the function that is judged for it.
enum Dropped {
    /// In its own body, out of a variable.
    Here,
    /// There, or in what it calls; or for an error that was dealt with.
    Perhaps(&'static str),
    /// In code without `#[track]`.
    Unseen,
}

const IN_BLOCK: &str = "it was begun in a block, closure or macro, which may have ended with an error that was dealt with";
const IN_LOOP: &str =
    "it was begun in a loop, which may have gone on after an error that was dealt with";
const IN_SCOPE: &str = "in this scope there may have been an error that was dealt with";
const PASSED_ON: &str =
    "it was passed on, perhaps to code that failed and whose error was dealt with";

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
        // As in `timeout(limit, pool.begin())`. The place of a connection that the attribute knows is not that of a begin
        // that it does not know.
        return if lost.handle.site.is_none() && function.has(file, line, column) {
            Dropped::Perhaps(PASSED_ON)
        } else {
            Dropped::Unseen
        };
    }
    // It came back from a callee, or as an argument.
    let Some(arrived_at) = lost.arrived_at else {
        return Dropped::Perhaps(PASSED_ON);
    };
    match function.position_of(arrived_at) {
        None => Dropped::Unseen,
        Some(_) if !function.keeps(arrived_at) => Dropped::Perhaps(PASSED_ON),
        Some(position) if function.repeats(position) => Dropped::Perhaps(IN_LOOP),
        Some(_) => Dropped::Here,
    }
}
