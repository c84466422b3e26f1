//! A pool's connections are opened and closed all the time.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use tracing::Span;

use super::Reaction;
use super::describe::{numbers_of, taker};
use super::emit::{Audience, Log};
use super::judge::judge;
use super::places::LISTED;
use crate::config::Rules;
use crate::finding::{Finding, Level, Lint, Related};
use crate::log;
use crate::measure::units::count;
use crate::pool_state::PoolState;
use crate::pool_state::openers::Opener;
use crate::pool_state::registry::ErasedPool;

mod cause;
mod turnover;
mod words;

pub(crate) use turnover::Turnover;
use turnover::{Sample, Settings, Shown};
use words::Words;

/// One sample of `pool`.
pub(crate) fn connection_churn(
    rules: &Rules,
    pool: &dyn ErasedPool,
    turnover: &mut Turnover,
    now: Instant,
) {
    let state = &**pool.state();
    let name = state.name();
    let level = judge(rules, Lint::ConnectionChurn, None, Some(&name));
    let limit = rules.per_second(Lint::ConnectionChurn, &name);
    let is_judged = !pool.is_closed() && !state.endpoint.is_of_test();
    let (Some(level), Some(limit), Some(sample), true) =
        (level, limit, sample(pool, now), is_judged)
    else {
        *turnover = Turnover::default();
        return;
    };
    let shown = turnover.add(sample, &settings(limit, state));
    if !turnover.is_on() {
        state.openers.clear();
    }
    match shown {
        Shown::Nothing => {}
        Shown::Stopped => log::pool_recovered(state, "its connections are kept again"),
        Shown::Churn(cause, change) => {
            let words = Words {
                pool: state,
                cause,
                change: &change,
                size: sample.size,
            };
            report(&words, level);
        }
    }
}

/// The counters of a pool now. `None` if its connections are not counted.
fn sample(pool: &dyn ErasedPool, at: Instant) -> Option<Sample> {
    let counts = pool.connections()?;
    Some(Sample {
        at,
        opened: counts.opened,
        closed: counts.by,
        detached: pool.state().counters.detached.load(Relaxed),
        size: u64::from(pool.size()),
    })
}

/// What the judge needs to know of the pool's options.
fn settings(limit: u32, pool: &PoolState) -> Settings {
    let limits = &pool.limits;
    Settings {
        limit,
        max_connections: limits.max_connections,
        min_connections: limits.min_connections,
        idle_timeout: limits.idle_timeout,
        max_lifetime: limits.max_lifetime,
    }
}

fn report(words: &Words<'_>, level: Level) {
    let (lint, pool) = (Lint::ConnectionChurn, words.pool);
    let name = pool.name();
    let (certainty, cause) = words.cause();
    let openers = pool.openers.read();
    let test = openers.iter().find_map(Opener::test);
    let finding = match &openers[..] {
        [most, others @ ..] => Finding::of(lint, level, most.place)
            .label(opens(most))
            .all_related(others.iter().take(LISTED).map(opener)),
        // The pool itself opens them, to keep its minimum.
        [] => Finding::of(lint, level, pool.connected)
            .at_fault(None)
            .label("connected here"),
    };
    let finding = finding
        .title(words.title())
        .pool(&name)
        .cause(certainty, cause)
        .numbers(numbers_of(pool))
        .facts(words.facts())
        .helps(words.helps())
        .notes(words.notes())
        .note(format!(
            "to set the limit or allow this: `SQLX_LEASH=\"{lint}[{name}]=5/s\"`; read more: `leash::explain(Lint::{lint:?})`"
        ));
    let _: Reaction = finding.report(Audience {
        span: &Span::none(),
        collector: test.as_ref().and_then(|test| test.collector().cloned()),
        scope: test,
        may_panic: false,
        log: Log::Full,
    });
}

fn opener(opener: &Opener) -> Related {
    Related::new(opens(opener), opener.place)
}

/// What an opener has done.
fn opens(opener: &Opener) -> String {
    let connections = count(opener.opened, "connection");
    format!("{} has opened {connections} here", taker(opener.place))
}
