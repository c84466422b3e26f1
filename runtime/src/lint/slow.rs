//! A statement takes longer than its limit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::describe::{closing_notes, fact};
use super::emit::{Audience, Log, Path};
use super::{Certainty, Finding, Level, Lint};
use crate::config::{self, Rules};
use crate::context;
use crate::handle::Handle;
use crate::tally::{Outcome, Tally};
use crate::units::short;

/// A statement has ended, and nobody was told yet that it is slow.
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
    let Some(finding) = slow_query(&config::rules(), tally, handle, time, Some(outcome)) else {
        return;
    };
    let audience = match handle {
        Some(handle) => Audience::watching(handle),
        None => Audience {
            span: &tracing::Span::current(),
            collector: context::scope().and_then(|scope| scope.collector().cloned()),
            path: Path::Aside,
            log: Log::PerPlace,
        },
    };
    let _told = finding.tell(audience);
}

/// A statement on `handle`, begun at `since`, has run for so long and still does.
pub(crate) fn slow_query_running(
    rules: &Rules,
    handle: &Arc<Handle>,
    tally: &'static Tally,
    since: Instant,
    time: Duration,
) {
    if let Some(finding) = slow_query(rules, tally, Some(handle), time, None)
        && handle.may_tell(since, |told| told.slow = true)
    {
        let _told = finding.tell(Audience::watching(handle));
    }
}

fn slow_query(
    rules: &Rules,
    tally: &'static Tally,
    handle: Option<&Arc<Handle>>,
    time: Duration,
    outcome: Option<Outcome>,
) -> Option<Finding> {
    let place = tally.place();
    let function = place.and_then(|place| place.function);
    let pool = handle.map(|handle| handle.pool.name());
    let limit = rules.time(Lint::SlowQuery, function, pool.as_deref())?;
    let level = rules.level(Lint::SlowQuery, function, pool.as_deref());
    if level == Level::Allow || time < limit {
        return None;
    }
    let state = match outcome {
        None => "has run for",
        Some(Outcome::Ok) => "took",
        Some(Outcome::Error) => "failed after",
        Some(Outcome::Cancelled) => "was given up after",
    };
    let title = match function {
        Some(function) => format!(
            "`{}` in {} {state} {}; the limit is {}",
            tally.summary,
            function.name(),
            short(time),
            short(limit)
        ),
        None => format!(
            "`{}` {state} {}; the limit is {}",
            tally.summary,
            short(time),
            short(limit)
        ),
    };
    let mut facts = vec![fact(
        if outcome.is_none() {
            "running for"
        } else {
            "time"
        },
        short(time),
    )];
    facts.push(fact("limit", short(limit)));
    facts.push(fact("text", one_line(tally.sql())));
    let explain = match handle {
        Some(handle) if handle.pool.endpoint.system == "sqlite" => "EXPLAIN QUERY PLAN",
        _ => "EXPLAIN",
    };
    let mut notes = vec![
        "the time is the statement's: without the wait for a permit, and without the consumer's time between rows"
            .to_owned(),
    ];
    notes.extend(closing_notes(
        Lint::SlowQuery,
        function,
        handle.map(|handle| &*handle.pool),
    ));
    Some(Finding {
        lint: Lint::SlowQuery,
        level,
        certainty: Certainty::Certain,
        cause: match outcome {
            None => "the statement was sent and its answer has not been read yet".to_owned(),
            Some(_) => "the answer came late".to_owned(),
        },
        title,
        verdict: None,
        primary: place.unwrap_or(crate::site::Place::UNKNOWN).to_call_site(),
        label: "sent here".to_owned(),
        function: function.map(|function| function.name().to_owned()),
        pool: pool.map(|pool| pool.to_string()),
        related: Vec::new(),
        facts,
        help: vec![
            format!(
                "ask the database why: `{explain} {}`",
                one_line(tally.sql())
            ),
            match function {
                Some(_) => "or, if it may take that long, say so: `#[track(slow_query = \"30s\")]`",
                None => "or, if it may take that long, say so: `SQLX_LEASH=\"slow_query=30s\"`",
            }
            .to_owned(),
        ],
        notes,
    })
}

/// A statement's text in one line, cut where it gets long.
fn one_line(sql: &str) -> String {
    const LONGEST: usize = 120;
    let line = sql.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.len() <= LONGEST {
        return line;
    }
    format!("{}…", &line[..line.floor_char_boundary(LONGEST)])
}
