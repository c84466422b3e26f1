//! Handles that are held for long: without talking to the database, or at all.

use std::time::{Duration, Instant};

use super::Reaction;
use super::advice::{LONG_LIVED, READ_ALL};
use super::describe::{
    closing_notes, definite, doing, holder, is_begun_by_statement, last, lent, noun,
    numbers_of_handle, permit, split, states, taker,
};
use super::emit::Audience;
use super::judge::judge;
use super::own_wait::{OwnWait, Waiting};
use crate::config::Rules;
use crate::finding::{Certainty, Fact, Finding, Lint, Numbers, Related};
use crate::handle::Handle;
use crate::measure::units::{count, percent, short};
use crate::snapshot::{Activity, HandleInfo};

/// `handle`, whose activity began at `since`, has been without use for `quiet`. `waiting` are the acquires that wait.
pub(crate) fn held_idle(
    rules: &Rules,
    handle: &Handle,
    since: Instant,
    quiet: Duration,
    waiting: &Waiting<'_>,
) {
    let pool = handle.pool.name();
    let function = handle.glance().function_for(Lint::HeldIdle);
    let (Some(limit), Some(level)) = (
        rules.time(Lint::HeldIdle, function, Some(&pool)),
        judge(rules, Lint::HeldIdle, function, Some(&pool)),
    ) else {
        return;
    };
    if quiet < limit {
        return;
    }
    let own_wait = OwnWait::of(handle, waiting);
    let known = own_wait.as_ref().filter(|own_wait| own_wait.is_known());
    // The finding about the deadlock says why it is not used.
    if known.is_some() && handle.glance().reported.deadlock {
        return;
    }
    if !is_first_report(handle, since) {
        return;
    }
    let info = handle.read(Instant::now());
    let copies = handle.copies();
    let what = if copies { "a COPY" } else { noun(&info) };
    let (certainty, cause) = match known {
        Some(own_wait) => (own_wait.certainty, own_wait.words()),
        None => (certainty(handle), cause(&info, copies)),
    };
    let doubt = own_wait.iter().filter(|it| !it.is_known());
    let finding = Finding::of(Lint::HeldIdle, level, handle.place)
        .title(format!(
            "{} holds {what} of pool {pool} and has not used it for {}; the limit is {}",
            holder(handle),
            short(quiet),
            short(limit)
        ))
        .label(format!("taken here, in {}", taker(handle.place)))
        .pool(&pool)
        .cause(certainty, cause)
        .all_related(now_at(handle, &info))
        .all_related(own_wait.as_ref().map(OwnWait::related))
        .holder(handle.place)
        .waiter_if_any(own_wait.as_ref().map(|own_wait| own_wait.waiter.place))
        .numbers(Numbers {
            limit_time: Some(limit),
            idle: Some(quiet),
            ..numbers_of_handle(&info, &handle.pool)
        })
        .fact("held for", short(info.age))
        .facts(unused(&info, copies, quiet))
        .facts(states(&info))
        .facts(lent(&info))
        .facts([
            split(&info),
            permit(&info, handle.pool.limits.max_connections),
            waiters(handle),
        ])
        .helps(own_wait.iter().flat_map(OwnWait::helps))
        .helps(help(handle, &info, copies, known.is_some()))
        .notes(doubt.map(OwnWait::words))
        .notes(notes(Lint::HeldIdle, handle, &info));
    let _: Reaction = finding.report(Audience::watching(handle));
}

/// Whether nothing was reported yet about the silence that began at `since`. From now on it counts as reported.
fn is_first_report(handle: &Handle, since: Instant) -> bool {
    handle.report_once(since, |reported| {
        reported.idle = true;
        reported.idle_ever = true;
    })
}

/// How long the handle has not been used, and what it was used for last.
fn unused(info: &HandleInfo, copies: bool, quiet: Duration) -> Vec<Fact> {
    if info.activity != Activity::Streaming {
        let idle = Fact::new("idle for", short(quiet));
        return [idle].into_iter().chain(last(info)).collect();
    }
    let (moved, piece) = if copies {
        ("moved", "piece")
    } else {
        ("read", "row")
    };
    let pieces = count(info.stream_rows, piece);
    vec![Fact::new(
        moved,
        format!("{pieces}, the last one {} ago", short(quiet)),
    )]
}

/// `handle` has been held for this time, busy or not.
pub(crate) fn held_too_long(rules: &Rules, handle: &Handle, held: Duration) {
    let pool = handle.pool.name();
    let function = handle.glance().function_for(Lint::HeldTooLong);
    let (Some(limit), Some(level)) = (
        rules.time(Lint::HeldTooLong, function, Some(&pool)),
        judge(rules, Lint::HeldTooLong, function, Some(&pool)),
    ) else {
        return;
    };
    if held < limit {
        return;
    }
    handle.set_reported(|reported| reported.too_long = true);
    let info = handle.read(Instant::now());
    let copies = handle.copies();
    let what = if copies { "a COPY" } else { noun(&info) };
    let finding = Finding::of(Lint::HeldTooLong, level, handle.place)
        .title(format!(
            "{} has held {what} of pool {pool} for {}; the limit is {}",
            holder(handle),
            short(held),
            short(limit)
        ))
        .label(format!("taken here, in {}", taker(handle.place)))
        .pool(&pool)
        .certain(format!("{} has not been released since", definite(what)))
        .all_related(now_at(handle, &info))
        .holder(handle.place)
        .numbers(Numbers {
            limit_time: Some(limit),
            ..numbers_of_handle(&info, &handle.pool)
        })
        .fact("held for", short(held))
        .facts([doing(&info)])
        .facts(states(&info))
        .fact("after", count(info.statements, "statement"))
        .facts(last(&info))
        .facts([
            split(&info),
            permit(&info, handle.pool.limits.max_connections),
            waiters(handle),
        ])
        .help(shorter(&info, copies))
        .help(longer(Lint::HeldTooLong, handle))
        .notes(notes(Lint::HeldTooLong, handle, &info));
    let _: Reaction = finding.report(Audience::watching(handle));
}

/// Code to which the connection was lent may use it unseen.
fn certainty(handle: &Handle) -> Certainty {
    if handle.may_be_lent() {
        Certainty::Likely
    } else {
        Certainty::Certain
    }
}

fn cause(info: &HandleInfo, copies: bool) -> String {
    if copies {
        return "it is the program's turn to move data, and it moves none".to_owned();
    }
    if info.activity == Activity::Streaming {
        return "the consumer has a row and does not ask for the next one".to_owned();
    }
    match info.operations.first() {
        Some(done) => format!(
            "nothing was sent on it since `{}` ended: the code that holds it waits for something else",
            done.summary
        ),
        None => "nothing was ever sent on it".to_owned(),
    }
}

/// The places that show where the handle is now.
fn now_at(handle: &Handle, info: &HandleInfo) -> Vec<Related> {
    let mut places = Vec::new();
    if let Some(done) = info.operations.first()
        && let Some(site) = &done.site
        && *site != info.site
    {
        let label = format!("last used here, {} ago", short(done.age));
        places.push(Related::new(label, site.clone()));
    }
    if let Some(scope) = handle.scope()
        && handle
            .place
            .function
            .is_none_or(|function| !std::ptr::eq(function, scope.function()))
    {
        places.push(Related::new(
            "held by this function now",
            scope.function().place(),
        ));
    }
    places
}

/// `waits` is whether its holder waits for a permit itself.
fn help(handle: &Handle, info: &HandleInfo, copies: bool, waits: bool) -> Vec<String> {
    let mut help = Vec::new();
    if !waits {
        help.push(apart(info, copies));
    }
    if info.activity != Activity::Streaming {
        help.push(format!(
            "or, if it is meant to be held, declare why: {LONG_LIVED}"
        ));
    }
    help.push(longer(Lint::HeldIdle, handle));
    help
}

/// How to hold it for less time: what the time was spent on shows where there is most to win.
fn shorter(info: &HandleInfo, copies: bool) -> String {
    let held = info.busy_total + info.idle_total + info.lent_total;
    if held.is_zero() || info.idle_total * 2 < held {
        return "split the work into shorter transactions, or release the connection between its parts"
            .to_owned();
    }
    format!(
        "hold it for less time: it was idle in hand for {}, {} of the time held; {}",
        short(info.idle_total),
        percent(info.idle_total.as_secs_f64() / held.as_secs_f64()),
        apart(info, copies)
    )
}

/// How to keep the work that does not need the database apart from the time held.
fn apart(info: &HandleInfo, copies: bool) -> String {
    match (info.activity, info.transaction_depth) {
        _ if copies => {
            "prepare the data before the COPY begins, and finish it right after: `copy.finish().await?`".to_owned()
        }
        (Activity::Streaming, _) => {
            format!("read all rows first, then work on them: {READ_ALL}")
        }
        (_, 0) => "acquire it after the slow work, or release it before: `drop(conn)`; a query sent to `&pool` holds a connection only while it runs"
            .to_owned(),
        (_, _) if is_begun_by_statement(info) => {
            "do the slow work (a request, a file, a sleep) before the BEGIN or after the COMMIT, not in between".to_owned()
        }
        (_, _) => {
            "do the slow work (a request, a file, a sleep) before `begin` or after `commit`, not in between".to_owned()
        }
    }
}

/// How to raise the limit for a handle that is meant to be held that long.
fn longer(lint: Lint, handle: &Handle) -> String {
    match handle.glance().function_for(lint) {
        Some(function) => {
            let name = function.name();
            let whose = if holder(handle) == name {
                "this function"
            } else {
                name
            };
            format!("or raise the limit of {whose}: `#[track({lint} = \"60s\")]`")
        }
        None => format!(
            "or raise the limit of this pool: `SQLX_LEASH=\"{lint}[{}]=60s\"`",
            handle.pool.name()
        ),
    }
}

fn notes(lint: Lint, handle: &Handle, info: &HandleInfo) -> Vec<String> {
    let mut notes = Vec::new();
    if info.scope.is_none() {
        notes.push(
            "it belongs to no scope: it is not known where it is now (in a field, a static, another task)".to_owned(),
        );
    }
    notes.extend(closing_notes(
        lint,
        handle.glance().function_for(lint),
        Some(&handle.pool),
    ));
    notes
}

fn waiters(handle: &Handle) -> Fact {
    let waiting = handle.pool.permits.waiting();
    Fact::new("waiting for this pool:", waiting.to_string())
}
