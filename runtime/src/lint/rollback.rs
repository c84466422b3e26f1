//! A transaction that had written was dropped, in a scope that says that all went well.

use super::describe::{closing_notes, fact, related};
use super::emit::{Audience, Path};
use super::{Certainty, Finding, Level, Lint, Reaction};
use crate::config;
use crate::handle::Lost;
use crate::scope::Scope;

/// `scope` returned, and not an error.
pub(crate) fn implicit_rollback(scope: &Scope, lost: &Lost) -> Reaction {
    let function = scope.function();
    let pool = lost.handle.pool.name();
    let level = config::level(Lint::ImplicitRollback, Some(function), Some(&pool));
    if level == Level::Allow {
        return Reaction::Go;
    }
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
    let doubt = if !lost.wrote.writes_for_sure() {
        Some("whether that statement wrote is not told by the rows it gave")
    } else if lost.in_block {
        Some(
            "it was begun in a block, closure or macro, which may have ended with an error that was dealt with",
        )
    } else {
        None
    };
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
