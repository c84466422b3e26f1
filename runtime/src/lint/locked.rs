//! SQLite has refused a statement, a begin or a commit because the database is locked.

mod cause;
mod code;
mod refused;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::Span;

use super::Reaction;
use super::describe::{closing_notes, taker};
use super::emit::{Audience, Log};
use super::judge::judge;
use crate::config;
use crate::finding::{Fact, Finding, Lint, Numbers};
use crate::handle::begun::OpenTransaction;
use crate::handle::{Handle, live};
use crate::measure::units::{count, short};
use crate::scope::context;
use crate::source::place::Place;

use cause::{Case, Cause};
use code::Code;
pub(crate) use refused::Refused;

/// `refused`, at `place`, has failed with `error` after `time`. Where the lint is at deny, the caller must panic.
pub(crate) fn database_locked(
    handle: Option<&Arc<Handle>>,
    refused: Refused,
    place: Place,
    time: Option<Duration>,
    error: &sqlx::Error,
) -> Reaction {
    let Some(code) = Code::of(error) else {
        return Reaction::Go;
    };
    let lint = Lint::DatabaseLocked;
    let pool = handle.and_then(|handle| handle.pool_name());
    let Some(level) = judge(&config::rules(), lint, place.function, pool.as_deref()) else {
        return Reaction::Go;
    };
    let now = Instant::now();
    let transaction = handle.and_then(|handle| handle.open_transaction());
    let claims = live::all();
    let case = Case {
        handle,
        refused,
        time,
        code,
        transaction: transaction.as_ref(),
        claims: &claims,
        now,
    };
    let Cause {
        certainty,
        text,
        related,
        help,
    } = case.cause();
    let after = time.map_or_else(String::new, |time| format!(" after {}", short(time)));
    let finding = Finding::of(lint, level, place)
        .title(format!(
            "{} {}, and SQLite refuses it{after}: {}",
            taker(place),
            refused.does(pool.as_deref()),
            code.says()
        ))
        .label("refused here")
        .pool_if_any(pool.as_deref())
        .cause(certainty, text)
        .holder_if_any(related.first().map(|holder| holder.site.clone()))
        .all_related(related)
        .numbers(Numbers {
            elapsed: time,
            ..Numbers::default()
        })
        .fact("code", code.to_string())
        .facts(time.map(|time| Fact::new("refused after", short(time))))
        .facts(
            transaction
                .as_ref()
                .map(|it| open(it, refused, now))
                .into_iter()
                .flatten(),
        )
        .helps(help)
        .note(refused.outcome(transaction.as_ref()))
        .notes(unseen(handle))
        .notes(closing_notes(
            lint,
            place.function,
            handle
                .map(|handle| &*handle.pool)
                .filter(|pool| !pool.is_none()),
        ));
    report(finding, handle)
}

fn report(finding: Finding, handle: Option<&Arc<Handle>>) -> Reaction {
    let scope = context::scope().or_else(|| handle?.scope());
    let collector = scope.as_ref().and_then(|scope| scope.collector());
    match handle {
        Some(handle) => finding.report(Audience::of(handle, collector, true)),
        None => finding.report(Audience {
            span: &Span::current(),
            collector: collector.cloned(),
            scope: None,
            may_panic: true,
            log: Log::PerCause,
        }),
    }
}

/// The transaction that is open, and the statements in it before what was refused.
fn open(transaction: &OpenTransaction, refused: Refused, now: Instant) -> [Fact; 2] {
    let itself = u64::from(refused.tally().is_some());
    let before = transaction.statements.saturating_sub(itself);
    [
        Fact::new(
            "transaction open for",
            short(now.saturating_duration_since(transaction.when)),
        ),
        Fact::new("after", count(before, "statement")),
    ]
}

/// Whose use of the database is not seen.
fn unseen(handle: Option<&Arc<Handle>>) -> Option<String> {
    let pool = &handle?.pool;
    let place = pool.lent_at()?;
    Some(format!(
        "pool {} was handed to plain sqlx at {}:{}: what that does with the database is not seen",
        pool.name(),
        place.file,
        place.line
    ))
}
