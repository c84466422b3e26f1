//! A transaction is used or committed after the server has failed it, or has rolled it back.

use std::time::Instant;

use super::Reaction;
use super::describe::{closing_notes, taker};
use super::emit::Audience;
use super::judge::judge;
use crate::config;
use crate::finding::{Finding, Lint, Related};
use crate::handle::Handle;
use crate::handle::begun::Failure;
use crate::measure::units::short;
use crate::pool_state::endpoint::Aftermath;
use crate::site::tally::Tally;
use crate::source::place::Place;

/// `statement` is about to be sent, at `place`, in a transaction that has failed; without one, the transaction is about to be
/// committed. Where the lint is at deny, the caller must panic.
pub(crate) fn failed_transaction(
    handle: &Handle,
    statement: Option<&Tally>,
    failure: &Failure,
    begun: Place,
    place: Option<Place>,
) -> Reaction {
    let place = place.unwrap_or(begun);
    let pool = handle.pool_name();
    let lint = Lint::FailedTransaction;
    let Some(level) = judge(&config::rules(), lint, place.function, pool.as_deref()) else {
        return Reaction::Go;
    };
    let (step, does) = match statement {
        Some(tally) if tally.commits() => (Step::Commit, "commits".to_owned()),
        Some(tally) => (Step::Statement, format!("sends `{}` in", tally.summary)),
        None if handle.transaction_depth() > 1 => {
            (Step::Release, "commits a savepoint in".to_owned())
        }
        None => (Step::Commit, "commits".to_owned()),
    };
    let words = Words::of(failure.aftermath, step);
    let failed_at = failure.tally.place();
    let of = pool
        .as_ref()
        .map_or_else(String::new, |pool| format!(" of pool {pool}"));
    let finding = Finding::of(lint, level, place)
        .title(format!(
            "{} {does} a transaction{of} that the server has {}",
            taker(place),
            words.ended
        ))
        .label(words.label)
        .pool_if_any(pool.as_deref())
        .certain(words.cause)
        .all_related(failed_at.map(|place| Related::new("this statement failed", place)))
        .related("the transaction begins here", begun)
        .fact("failed statement", failure.tally.summary.clone())
        .fact("SQLSTATE", &*failure.code)
        .fact(
            "failed",
            format!(
                "{} ago",
                short(Instant::now().saturating_duration_since(failure.when))
            ),
        )
        .helps(words.help.map(str::to_owned))
        .notes(closing_notes(
            lint,
            place.function,
            (!handle.pool.is_none()).then_some(&*handle.pool),
        ));
    let scope = handle.scope();
    let collector = scope.as_ref().and_then(|scope| scope.collector());
    finding.report(Audience::of(handle, collector, true))
}

/// What the program is about to do in the transaction.
#[derive(Clone, Copy)]
enum Step {
    Statement,
    /// Commits a savepoint.
    Release,
    /// Commits the transaction, by value or by a statement.
    Commit,
}

struct Words {
    ended: &'static str,
    label: &'static str,
    cause: &'static str,
    help: [&'static str; 2],
}

impl Words {
    fn of(aftermath: Aftermath, step: Step) -> Self {
        match aftermath {
            Aftermath::Refused => Self {
                ended: "failed",
                label: match step {
                    Step::Statement => "the server refuses this statement",
                    Step::Release => "the server refuses to release this savepoint",
                    Step::Commit => "this commit is a rollback, and returns `Ok`",
                },
                cause: "after an error, PostgreSQL refuses every statement in the transaction, and turns its COMMIT into a ROLLBACK",
                help: [
                    "return the error of the statement that failed, so that the transaction is rolled back: `?`",
                    "or run what may fail inside a savepoint, and roll that back: `let mut savepoint = tx.begin().await?`, `savepoint.rollback().await?`",
                ],
            },
            Aftermath::RolledBack => Self {
                ended: "rolled back",
                label: match step {
                    Step::Statement => "this statement runs outside of the transaction",
                    Step::Release => "the server no longer has this savepoint",
                    Step::Commit => {
                        "this commit saves nothing that was written before the deadlock"
                    }
                },
                cause: "at a deadlock, the server rolls back the whole transaction; each later statement is committed by itself",
                help: [
                    "return the error of the statement that failed, and retry the whole transaction from `begin`",
                    "take locks in the same order everywhere, so that no deadlock forms",
                ],
            },
        }
    }
}
