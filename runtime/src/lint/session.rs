//! A connection goes back to its pool with state that a statement's text has set.

mod open;
mod words;

use std::sync::Arc;

use super::Reaction;
use super::describe::{closing_notes, taker};
use super::emit::{Audience, Log};
use super::judge::judge;
use crate::config;
use crate::finding::{Certainty, Finding, Level, Lint, Related};
use crate::handle::Handle;
use crate::handle::effects::LeftOpen;
use crate::handle::session::Mark;
use crate::pool_state::endpoint::Hooks;
use crate::scope::{Postponed, Scope};
use crate::site::tally::Tally;
use crate::source::function::Function;
use crate::source::place::Place;

pub(crate) use words::Way;
use words::Words;

const LINT: Lint = Lint::SessionState;

/// A connection of the handle goes back with what a text has set: with these marks, which are of one text and one kind.
///
/// `None` if nothing is wrong with that, or if it is allowed.
pub(crate) fn state_is_left(handle: &Handle, marks: &[Mark], way: Way) -> Option<Finding> {
    let mark = marks.first()?;
    let kind = mark.item.kind;
    let limits = &handle.pool.limits;
    if limits.hooks != Hooks::LeaveState && !kind.is_lock() {
        return None;
    }
    let is_only_connection = limits.max_connections == 1;
    if matches!(way, Way::ThroughPool) && is_only_connection && !limits.replaces_connections() {
        return None;
    }
    let place = mark.tally.place().unwrap_or(handle.place);
    let level = level(handle, place, way)?;
    let words = Words::of(handle.pool.endpoint.system, marks);
    let pool = handle.pool.name();
    let does = match way {
        Way::GivenBack(_) => format!(
            "leaves {} on a connection that goes back to pool {pool}",
            words.what
        ),
        Way::ThroughPool if is_only_connection => format!(
            "{} through pool {pool}, which loses it when it replaces its only connection",
            words.sets
        ),
        Way::ThroughPool => format!(
            "{} through pool {pool}: one of its connections has it, and the next statement may run on another",
            words.sets
        ),
    };
    let finding = Finding::of(LINT, level, place)
        .title(format!("{} {does}", taker(place)))
        .label(if is_place_of_taking(mark.tally.place(), way) {
            "the connection is taken here; a text has set it later"
        } else {
            words.label
        })
        .pool(&pool)
        .cause(Certainty::Likely, words.cause)
        .all_related(places(handle, place, way))
        .holder(handle.place)
        .fact("statement", mark.tally.summary.clone())
        .helps(words.help(way, is_only_connection))
        .helps(last_resort(way))
        .notes(doubts(handle, mark.ran_unseen).map(str::to_owned))
        .notes(closing_notes(LINT, place.function, Some(&handle.pool)));
    Some(finding)
}

/// A connection of the handle goes back inside a transaction that a text has begun.
///
/// `None` if that is allowed.
pub(crate) fn transaction_is_left(handle: &Handle, left: &LeftOpen, way: Way) -> Option<Finding> {
    let place = left.open.place;
    let level = level(handle, place, way)?;
    let pool = handle.pool.name();
    let is_only_connection = handle.pool.limits.max_connections == 1;
    // The next statements that are sent to such a pool run in the transaction, and may end it.
    let may_go_on = matches!(way, Way::ThroughPool) && is_only_connection;
    let doubts: Vec<String> = doubts(handle, left.open.ran_unseen)
        .chain(left.may_be_over.then_some(open::MAY_BE_OVER))
        .chain(may_go_on.then_some(open::MAY_GO_ON))
        .map(str::to_owned)
        .collect();
    let certainty = if doubts.is_empty() {
        Certainty::Certain
    } else {
        Certainty::Likely
    };
    let wrote = left.open.wrote.and_then(Tally::place);
    let does = open::does(&pool, way, is_only_connection);
    let finding =
        Finding::of(LINT, level, place)
            .title(format!("{} {does}", taker(place)))
            .label(
                if is_place_of_taking(left.open.text.and_then(Tally::place), way) {
                    "the connection is taken here; a text has begun the transaction later"
                } else {
                    "begun here, by a text"
                },
            )
            .pool(&pool)
            .cause(certainty, open::cause(left))
            .all_related(wrote.map(|place| {
                Related::new("the changes of this statement are not saved so far", place)
            }))
            .all_related(places(handle, place, way))
            .holder(handle.place)
            .facts(open::facts(left))
            .helps(open::help(left, way))
            .helps(last_resort(way))
            .notes(doubts)
            .notes(closing_notes(LINT, place.function, Some(&handle.pool)));
    Some(finding)
}

/// Whether the primary place is that of the handle, because the text has none: it was sent outside of all functions.
fn is_place_of_taking(sent_at: Option<Place>, way: Way) -> bool {
    sent_at.is_none() && matches!(way, Way::GivenBack(_))
}

fn last_resort(way: Way) -> Option<String> {
    let is_held = matches!(way, Way::GivenBack(_));
    is_held.then(|| {
        "or, where that cannot be done, have the connection closed: `conn.close_on_drop()`"
            .to_owned()
    })
}

/// The level for the function that has set the state; if that sets none, for the one in which the connection goes back.
fn level(handle: &Handle, place: Place, way: Way) -> Option<Level> {
    let returns = match way {
        Way::GivenBack(function) => function,
        Way::ThroughPool => None,
    };
    let sets = |function: &&Function| function.options().level(LINT).is_some();
    let functions = [place.function, returns];
    let deciding = functions.into_iter().flatten().find(sets);
    judge(
        &config::rules(),
        LINT,
        deciding.or(place.function),
        Some(&handle.pool.name()),
    )
}

/// Where the connection was taken, and where it goes back.
fn places(handle: &Handle, set_at: Place, way: Way) -> Vec<Related> {
    let Way::GivenBack(function) = way else {
        return Vec::new();
    };
    let taken = (!handle.place.is_same(set_at))
        .then(|| Related::new("the connection is taken here", handle.place));
    let returns =
        function.map(|function| Related::new("it goes back in this function", function.place()));
    taken.into_iter().chain(returns).collect()
}

/// What may have happened unseen.
fn doubts(handle: &Handle, ran_unseen: bool) -> impl Iterator<Item = &'static str> + use<> {
    let unseen = ran_unseen.then_some(
        "code that is not seen may have used the connection since, and may have undone it",
    );
    let hooks = match handle.pool.limits.hooks {
        Hooks::LeaveState => None,
        Hooks::MayUndo => {
            Some("a hook of the pool (`before_acquire`, `after_release`) may undo it")
        }
        Hooks::Unknown => Some(
            "the pool was made by plain sqlx, or with its options: whether it has a hook that undoes it is not known",
        ),
    };
    unseen.into_iter().chain(hooks)
}

/// Adds the statement that began a later hold without setting what an earlier one had left.
pub(crate) fn left_for(finding: Finding, handle: &Handle) -> Finding {
    let first = handle.first_statement();
    let place = first.and_then(Tally::place);
    let on = place.unwrap_or(handle.place);
    finding.related("this statement may run on that connection", on)
}

/// Reports a finding of a scope that has ended.
pub(crate) fn report_postponed(
    scope: &Arc<Scope>,
    postponed: Postponed,
    may_panic: bool,
) -> Reaction {
    let Postponed { finding, span } = postponed;
    finding.report(Audience {
        span: &span,
        collector: scope.collector().cloned(),
        scope: Some(Arc::clone(scope)),
        may_panic,
        log: Log::PerCause,
    })
}

/// Reports a finding about a statement that was sent to the pool itself, or one that no scope has to report.
pub(crate) fn report_at_once(
    postponed: Postponed,
    scope: Option<&Scope>,
    may_panic: bool,
) -> Reaction {
    let Postponed { finding, span } = postponed;
    finding.report(Audience {
        span: &span,
        collector: scope.and_then(Scope::collector).cloned(),
        scope: None,
        may_panic,
        log: Log::PerCause,
    })
}
