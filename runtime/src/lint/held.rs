//! Handles that are held for long: without talking to the database, or at all.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::describe::{closing_notes, definite, fact, last, noun, permit, related, split, taker};
use super::emit::Audience;
use super::{Certainty, Fact, Finding, Level, Lint, Related};
use crate::config::Rules;
use crate::handle::Handle;
use crate::snapshot::{Activity, HandleInfo};
use crate::units::{count, short};

/// `handle`, which does since then what it does, has not talked to the database for so long.
pub(crate) fn held_idle(rules: &Rules, handle: &Arc<Handle>, since: Instant, quiet: Duration) {
    let (function, pool) = (handle.place.function, handle.pool.name());
    let Some(limit) = rules.time(Lint::HeldIdle, function, Some(&pool)) else {
        return;
    };
    let level = rules.level(Lint::HeldIdle, function, Some(&pool));
    if quiet < limit || level == Level::Allow {
        return;
    }
    let may_tell = handle.may_tell(since, |told| {
        told.idle = true;
        told.idle_ever = true;
    });
    if !may_tell {
        return;
    }
    let info = handle.read(Instant::now());
    let copies = handle.copies();
    let what = if copies { "a COPY" } else { noun(&info) };
    let title = format!(
        "{} holds {what} of pool {pool} and has not used it for {}; the limit is {}",
        taker(handle.place),
        short(quiet),
        short(limit)
    );
    let mut facts = vec![fact("held for", short(info.age))];
    if info.activity == Activity::Streaming {
        facts.push(fact(
            if copies { "moved" } else { "read" },
            format!(
                "{}, the last one {} ago",
                count(info.stream_rows, if copies { "piece" } else { "row" }),
                short(quiet)
            ),
        ));
    } else {
        facts.push(fact("idle for", short(quiet)));
        facts.extend(last(&info));
    }
    facts.push(split(&info));
    facts.push(permit(&info, handle.pool.limits.max_connections));
    facts.push(waiting(handle));
    let finding = Finding {
        lint: Lint::HeldIdle,
        level,
        certainty: Certainty::Certain,
        cause: cause(&info, copies),
        title,
        verdict: None,
        primary: info.site.clone(),
        label: format!("taken here, in {}", taker(handle.place)),
        function: function.map(|function| function.name().to_owned()),
        pool: Some(pool.to_string()),
        related: now_at(handle, &info),
        facts,
        help: help(handle, &info, copies),
        notes: notes(Lint::HeldIdle, handle, &info),
    };
    let _told = finding.tell(Audience::watching(handle));
}

fn cause(info: &HandleInfo, copies: bool) -> String {
    if copies {
        return "the program has the turn, and moves no data".to_owned();
    }
    if info.activity == Activity::Streaming {
        return "the consumer of the rows has one and does not ask for the next".to_owned();
    }
    match info.operations.first() {
        Some(done) => format!(
            "nothing was sent on it since `{}` ended: the code that holds it waits for something else",
            done.summary
        ),
        None => "nothing was ever sent on it".to_owned(),
    }
}

/// Where the handle is now, as far as that is known.
fn now_at(handle: &Handle, info: &HandleInfo) -> Vec<Related> {
    let mut places = Vec::new();
    if let Some(done) = info.operations.first()
        && let Some(site) = &done.site
        && *site != info.site
    {
        places.push(Related {
            label: format!("last used here, {} ago", short(done.age)),
            site: site.clone(),
        });
    }
    if let Some(scope) = handle.scope()
        && handle
            .place
            .function
            .is_none_or(|function| !std::ptr::eq(function, scope.function()))
    {
        places.push(related(
            "held by this function now",
            scope.function().place(),
        ));
    }
    places
}

fn help(handle: &Handle, info: &HandleInfo, copies: bool) -> Vec<String> {
    let mut help = Vec::new();
    match (info.activity, info.transaction_depth) {
        _ if copies => help.push(
            "have the data at hand before the COPY begins, and end it right after: `copy.finish().await?`"
                .to_owned(),
        ),
        (Activity::Streaming, _) => {
            help.push(
                "read the rows first and work on them then: `let rows: Vec<_> = stream.try_collect().await?`"
                    .to_owned(),
            );
        }
        (_, 0) => help.push(
            "take it after the slow work, or give it back before: `drop(conn)`; a query sent to `&pool` holds it for the query only"
                .to_owned(),
        ),
        (_, _) => help.push(
            "do the slow work (a request, a file, a sleep) before `begin` or after `commit`, not in between".to_owned(),
        ),
    }
    if info.activity != Activity::Streaming {
        help.push("or, if it is meant to be held, say why: `.long_lived(\"…\")`".to_owned());
    }
    help.push(longer(Lint::HeldIdle, handle));
    help
}

/// How to set the limit for what is meant to be held that long.
fn longer(lint: Lint, handle: &Handle) -> String {
    match handle.place.function {
        Some(_) => format!("or set the limit of this function: `#[track({lint} = \"60s\")]`"),
        None => format!(
            "or set the limit of this pool: `SQLX_LEASH=\"{lint}[{}]=60s\"`",
            handle.pool.name()
        ),
    }
}

fn notes(lint: Lint, handle: &Handle, info: &HandleInfo) -> Vec<String> {
    let mut notes = Vec::new();
    if info.scope.is_none() {
        notes.push(
            "it belongs to no scope: where it is now is not known (a field, a static, another task)".to_owned(),
        );
    }
    notes.extend(closing_notes(
        lint,
        handle.place.function,
        Some(&handle.pool),
    ));
    notes
}

fn waiting(handle: &Handle) -> Fact {
    let waiting = handle.pool.permits.waiting();
    fact("waiting for this pool:", waiting.to_string())
}

/// `handle` has been held for so long, busy or not.
pub(crate) fn held_too_long(rules: &Rules, handle: &Arc<Handle>, held: Duration) {
    let (function, pool) = (handle.place.function, handle.pool.name());
    let Some(limit) = rules.time(Lint::HeldTooLong, function, Some(&pool)) else {
        return;
    };
    let level = rules.level(Lint::HeldTooLong, function, Some(&pool));
    if held < limit || level == Level::Allow {
        return;
    }
    handle.set_told(|told| told.too_long = true);
    let info = handle.read(Instant::now());
    let what = if handle.copies() {
        "a COPY"
    } else {
        noun(&info)
    };
    let mut facts = vec![fact("held for", short(held)), super::describe::doing(&info)];
    facts.push(fact("after", count(info.statements, "statement")));
    facts.extend(last(&info));
    facts.push(split(&info));
    facts.push(permit(&info, handle.pool.limits.max_connections));
    facts.push(waiting(handle));
    let finding = Finding {
        lint: Lint::HeldTooLong,
        level,
        certainty: Certainty::Certain,
        cause: format!("{} was not given back since", definite(what)),
        title: format!(
            "{} has held {what} of pool {pool} for {}; the limit is {}",
            taker(handle.place),
            short(held),
            short(limit)
        ),
        verdict: None,
        primary: info.site.clone(),
        label: format!("taken here, in {}", taker(handle.place)),
        function: function.map(|function| function.name().to_owned()),
        pool: Some(pool.to_string()),
        related: now_at(handle, &info),
        facts,
        help: vec![
            "split the work into shorter transactions, or give the connection back between its parts".to_owned(),
            longer(Lint::HeldTooLong, handle),
        ],
        notes: notes(Lint::HeldTooLong, handle, &info),
    };
    let _told = finding.tell(Audience::watching(handle));
}
