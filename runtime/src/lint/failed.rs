//! A transaction is used or committed after the server has failed it, or has rolled it back.

mod step;
mod words;

use std::time::Instant;

use super::Reaction;
use super::describe::{closing_notes, taker};
use super::emit::Audience;
use super::judge::judge;
use crate::config;
use crate::finding::{Certainty, Fact, Finding, Lint, Related};
use crate::handle::Handle;
use crate::handle::failing::Failed;
use crate::handle::failure::Failure;
use crate::measure::units::{count, short};
use crate::pool_state::aftermath::Aftermath;
use crate::pool_state::endpoint::System;
use crate::site::tally::Tally;
use crate::source::place::Place;
pub(crate) use step::Step;
use words::Words;

/// The program takes a step, at `place`, in a transaction that has failed. Where the lint is at deny, the caller must panic.
pub(crate) fn failed_transaction(
    handle: &Handle,
    step: Step,
    failed: &Failed,
    place: Option<Place>,
    may_panic: bool,
) -> Reaction {
    let Failed {
        failure,
        transaction,
        ..
    } = failed;
    let place = place.unwrap_or(transaction.place);
    let pool = handle.pool_name();
    let lint = Lint::FailedTransaction;
    let Some(level) = judge(&config::rules(), lint, place.function, pool.as_deref()) else {
        return Reaction::Go;
    };
    let system = handle.pool.endpoint.system;
    let words = Words::of(system, step, failed);
    let of = pool
        .as_ref()
        .map_or_else(String::new, |pool| format!(" of pool {pool}"));
    let finding = Finding::of(lint, level, place)
        .title(format!(
            "{} {} a transaction{of} that {} has {}",
            taker(place),
            step.does(),
            words.server,
            words.ended
        ))
        .label(words.label)
        .pool_if_any(pool.as_deref())
        .cause(certainty(failed), words.cause)
        .all_related(related(failed, step))
        .holder(transaction.place)
        .facts(facts(failure, system))
        .facts(since(failed))
        .helps(words.helps)
        .notes(doubt(failed).map(str::to_owned))
        .notes(closing_notes(
            lint,
            place.function,
            (!handle.pool.is_none()).then_some(&*handle.pool),
        ));
    let scope = handle.scope();
    let collector = scope.as_ref().and_then(|scope| scope.collector());
    finding.report(Audience::of(handle, collector, may_panic))
}

fn certainty(failed: &Failed) -> Certainty {
    match doubt(failed) {
        Some(_) => Certainty::Likely,
        None => Certainty::Certain,
    }
}

/// Why it is not certain.
fn doubt(failed: &Failed) -> Option<&'static str> {
    if failed.failure.candidates > 1 {
        Some("several statements in it have failed, and each may be the one: this is the last")
    } else if failed.ran_unseen {
        Some("code that is not seen may have used the connection since, and may have rolled back")
    } else {
        None
    }
}

/// The statement that failed, the begin, and what has become of the writes.
fn related(failed: &Failed, step: Step) -> Vec<Related> {
    let Failed {
        failure,
        transaction,
        ..
    } = failed;
    let label = if failure.is_of_unseen_statement() {
        "this statement was refused, because one before it had failed"
    } else {
        "this statement failed"
    };
    let mut places = Vec::new();
    places.extend(failure.place.map(|place| Related::new(label, place)));
    places.push(Related::new(
        "the transaction begins here",
        transaction.place,
    ));
    let is_lost = failure.aftermath == Aftermath::RolledBack || step.commits();
    let lost = failure.lost.filter(|_| is_lost).and_then(Tally::place);
    places.extend(
        lost.map(|place| Related::new("the changes of this statement are not saved", place)),
    );
    let saved = failure.wrote_since.and_then(Tally::place);
    places.extend(saved.map(|place| {
        let label = "the changes of this statement are saved: it ran outside of the transaction";
        Related::new(label, place)
    }));
    places
}

fn facts(failure: &Failure, system: System) -> Vec<Fact> {
    let code = match system {
        System::Postgres => "SQLSTATE",
        System::MySql | System::Sqlite | System::Other => "error",
    };
    let failed = if failure.is_of_unseen_statement() {
        "refused statement"
    } else {
        "failed statement"
    };
    let ago = Instant::now().saturating_duration_since(failure.when);
    vec![
        Fact::new(failed, failure.statement.clone()),
        Fact::new(code, &*failure.code),
        Fact::new("failed", format!("{} ago", short(ago))),
    ]
}

/// What was sent since.
fn since(failed: &Failed) -> Option<Fact> {
    let sent = failed.statements_since;
    (sent > 0).then(|| Fact::new("sent since", count(sent, "statement")))
}
