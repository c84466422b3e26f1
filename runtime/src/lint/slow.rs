//! A statement takes longer than its limit.

mod waits;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::Span;

use super::Reaction;
use super::describe::{closing_notes, states};
use super::emit::{Audience, Log};
use super::judge::judge;
use crate::config::{self, Rules};
use crate::finding::{Certainty, Finding, Lint, Numbers};
use crate::handle::Handle;
use crate::measure::units::short;
use crate::pool_state::endpoint::System;
use crate::scope::context;
use crate::site::tally::{Outcome, Tally};
use crate::source::place::Place;
use crate::sql::{explainable, has_numbered_parameters};

/// A statement has ended, and no finding reported it as slow while it ran.
#[inline]
pub(crate) fn slow_query_ended(
    tally: &'static Tally,
    handle: Option<&Arc<Handle>>,
    time: Duration,
    outcome: Outcome,
) {
    let function = tally.place().and_then(|place| place.function);
    if config::may_be_slow(time, function) {
        ended(tally, handle, time, outcome);
    }
}

#[cold]
fn ended(tally: &'static Tally, handle: Option<&Arc<Handle>>, time: Duration, outcome: Outcome) {
    let handle = handle.map(|handle| &**handle);
    let Some(finding) = slow_query(&config::rules(), tally, handle, time, Some(outcome)) else {
        return;
    };
    let audience = match handle {
        Some(handle) => Audience::watching(handle),
        None => Audience {
            span: &Span::current(),
            collector: context::scope().and_then(|scope| scope.collector().cloned()),
            scope: None,
            may_panic: false,
            log: Log::PerCause,
        },
    };
    let _: Reaction = finding.report(audience);
}

/// The statement on `handle` that began at `since` is still running, after `time`.
pub(crate) fn slow_query_running(
    rules: &Rules,
    handle: &Handle,
    tally: &'static Tally,
    since: Instant,
    time: Duration,
) {
    if let Some(finding) = slow_query(rules, tally, Some(handle), time, None)
        && handle.report_once(since, |reported| reported.slow = true)
    {
        let _: Reaction = finding.report(Audience::watching(handle));
    }
}

fn slow_query(
    rules: &Rules,
    tally: &'static Tally,
    handle: Option<&Handle>,
    time: Duration,
    outcome: Option<Outcome>,
) -> Option<Finding> {
    let place = tally.place();
    let function = place.and_then(|place| place.function);
    let pool = handle.and_then(Handle::pool_name);
    let limit = rules.time(Lint::SlowQuery, function, pool.as_deref())?;
    let level = judge(rules, Lint::SlowQuery, function, pool.as_deref())?;
    if time < limit {
        return None;
    }
    let (state, cause, name) = words(outcome);
    let within = function.map_or_else(String::new, |function| format!(" in {}", function.name()));
    let numbers = Numbers {
        elapsed: Some(time),
        limit_time: Some(limit),
        ..Numbers::default()
    };
    let (time, limit) = (short(time), short(limit));
    let system = handle.map_or(System::Other, |handle| handle.pool.endpoint.system);
    let longer = match function {
        Some(_) => "`#[track(slow_query = \"30s\")]`",
        None => "`SQLX_LEASH=\"slow_query=30s\"`",
    };
    let ended_well = outcome == Some(Outcome::Ok);
    let waits = waits::suspicion(tally, handle, system, ended_well);
    let mut finding = Finding::of(Lint::SlowQuery, level, place.unwrap_or(Place::UNKNOWN))
        .title(format!(
            "`{}`{within} {state} {time}; the limit is {limit}",
            tally.summary
        ))
        .label("sent here")
        .numbers(numbers)
        .fact(name, time)
        .fact("limit", limit)
        .fact("text", one_line(tally.sql()))
        .facts(
            handle
                .map(|handle| states(&handle.read(Instant::now())))
                .unwrap_or_default(),
        );
    finding = match waits {
        Some(waits) => finding
            .cause(Certainty::Likely, waits.cause)
            .holder_if_any(waits.holder)
            .all_related(waits.related)
            .helps(waits.help),
        None => finding.certain(cause).helps(explain(tally, system)),
    };
    finding = finding
        .help(format!("or, if it may take that long, raise its limit: {longer}"))
        .note("the time is the statement's: without the wait for a permit, and without the consumer's time between rows")
        .notes(closing_notes(
            Lint::SlowQuery,
            function,
            handle.map(|handle| &*handle.pool).filter(|pool| !pool.is_none()),
        ));
    finding.pool = pool.map(|pool| pool.to_string());
    Some(finding)
}

/// What the statement does or did, why, and the name of its time.
fn words(outcome: Option<Outcome>) -> (&'static str, &'static str, &'static str) {
    match outcome {
        None => (
            "has run for",
            "the statement was sent and its answer has not been read yet",
            "running for",
        ),
        Some(Outcome::Ok) => ("took", "the answer came late", "time"),
        Some(Outcome::Error) => ("failed after", "the answer came late", "time"),
        Some(Outcome::Cancelled) => (
            "was cancelled after",
            "no answer had come when the statement was dropped",
            "time",
        ),
    }
}

/// How to learn from the database why it takes long.
fn explain(tally: &Tally, system: System) -> Vec<String> {
    let mut help = Vec::new();
    if let Some(text) = explainable(tally.sql()) {
        let explain = system.explain(has_numbered_parameters(&text));
        help.push(format!("ask the database why: `{explain} {text}`"));
    }
    if tally.writes() {
        help.extend(waits::who_waits(system).map(|help| format!("or it waits for a lock: {help}")));
    }
    help
}

/// A statement's text on one line, cut at a length that a reader can take in.
fn one_line(sql: &str) -> String {
    const LONGEST: usize = 120;
    let line = sql.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.len() <= LONGEST {
        return line;
    }
    format!("{}…", &line[..line.floor_char_boundary(LONGEST)])
}
