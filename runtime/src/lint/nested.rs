//! A permit is taken while its scope, or one around it, holds one of the same pool.

use std::sync::Arc;

use super::describe::{closing_notes, fact, noun, related, taker};
use super::emit::{Audience, Path};
use super::{Certainty, Finding, Level, Lint, Reaction, Related, stop};
use crate::config;
use crate::handle::{self, Handle};
use crate::scope::Scope;
use crate::site::Function;
use crate::snapshot::HandleInfo;
use crate::units::{count, short};

/// A handle that the taker of another holds.
struct Holding {
    handle: Arc<Handle>,
    certainty: Certainty,
    /// The functions between the holder's and the taker's.
    between: Vec<&'static Function>,
}

/// `second` was just granted.
///
/// # Panics
///
/// At its place, where a lint about it is at deny.
pub(crate) fn taken(second: &Arc<Handle>) {
    // Mostly, nothing else of the pool is held.
    if second.pool.held() <= 1 {
        return;
    }
    let Some(scope) = second.scope() else {
        return;
    };
    let held = holdings(second, &scope);
    if held.is_empty() {
        return;
    }
    let reactions = [
        outside_transaction(second, &scope, &held),
        nested_acquire(second, &scope, &held),
    ];
    drop(held);
    for reaction in reactions {
        if let Reaction::Panic(message) = reaction {
            stop(second.site, second.place.function, &message);
        }
    }
}

/// What the scopes around `second` hold of its pool, nearest first.
fn holdings(second: &Handle, scope: &Scope) -> Vec<Holding> {
    let mut found = Vec::new();
    let mut between: Vec<&'static Function> = Vec::new();
    let mut below: Option<&Scope> = None;
    for around in scope.chain_of_task() {
        for handle in around.held() {
            if handle.id() != second.id()
                && handle.pool.id() == second.pool.id()
                && !handle.is_handed_on(around)
                && let Some(certainty) = handle.is_held_by(around, below, second)
            {
                found.push(Holding {
                    handle,
                    certainty,
                    between: between.clone(),
                });
            }
        }
        if below.is_some() {
            between.insert(0, around.function());
        }
        below = Some(around);
    }
    found
}

fn outside_transaction(second: &Arc<Handle>, scope: &Scope, held: &[Holding]) -> Reaction {
    let mut open = held
        .iter()
        .filter(|holding| holding.handle.transaction_depth() > 0);
    let Some(holding) = open.next().filter(|_| second.purpose.is_query()) else {
        return Reaction::Go;
    };
    let pool = second.pool.name();
    let level = config::level(Lint::OutsideTransaction, second.place.function, Some(&pool));
    if level == Level::Allow {
        return Reaction::Go;
    }
    let transaction = holding.handle.read(std::time::Instant::now());
    let (function, holder) = (taker(second.place), taker(holding.handle.place));
    let title = if function == holder {
        format!(
            "{function} sends a query to pool {pool} while its transaction of that pool is open"
        )
    } else {
        format!(
            "{function} sends a query to pool {pool} while {holder} has a transaction of that pool open"
        )
    };
    let mut related = vec![related("the transaction begins here", holding.handle.place)];
    related.extend(through(holding));
    let finding = Finding {
        lint: Lint::OutsideTransaction,
        level,
        certainty: holding.certainty,
        cause: "the query took a connection of its own: it does not see what the transaction wrote, and is not rolled back with it"
            .to_owned(),
        title,
        verdict: None,
        primary: second.place.to_call_site(),
        label: format!("runs outside the transaction, in {function}"),
        function: second.place.function.map(|function| function.name().to_owned()),
        pool: Some(pool.to_string()),
        related,
        facts: vec![
            fact("transaction open for", short(transaction.age)),
            fact("after", count(transaction.statements, "statement")),
        ],
        help: vec![
            if function == holder {
                "send it on the transaction: `&mut *tx` in place of `&pool`".to_owned()
            } else {
                format!(
                    "let {function} take the connection to use, `conn: &mut {}`, and call it with `&mut *tx`",
                    second.pool.endpoint.connection
                )
            },
            "or, if it must not be part of the transaction, run it before `begin` or after `commit`".to_owned(),
        ],
        notes: closing_notes(Lint::OutsideTransaction, second.place.function, Some(&second.pool)),
    };
    finding.tell(Audience::of(second, scope.collector(), Path::Running))
}

fn nested_acquire(second: &Arc<Handle>, scope: &Scope, held: &[Holding]) -> Reaction {
    let Some(holding) = held.first() else {
        return Reaction::Go;
    };
    let pool = second.pool.name();
    let level = config::level(Lint::NestedAcquire, second.place.function, Some(&pool));
    if level == Level::Allow {
        return Reaction::Go;
    }
    let first = holding.handle.read(std::time::Instant::now());
    let (function, holder) = (taker(second.place), taker(holding.handle.place));
    let taken = if second.purpose.is_query() {
        "sends a query to"
    } else {
        "takes a connection of"
    };
    let title = if function == holder {
        format!(
            "{function} {taken} pool {pool} while it holds {} of it",
            noun(&first)
        )
    } else {
        format!(
            "{function} {taken} pool {pool} while {holder} holds {} of it",
            noun(&first)
        )
    };
    let mut related = vec![related(
        format!("{} is held from here on", noun(&first)),
        holding.handle.place,
    )];
    related.extend(through(holding));

    let nesting = second.pool.note_nesting(held.len() as u64 + 1);
    let tasks = second.pool.note_tasks(tasks(second));
    let safe = tasks * (nesting - 1) + 1;
    let max = u64::from(second.pool.limits.max_connections);
    let mut notes = vec![if safe > max {
        format!(
            "with {} at once, each holding up to {}, a pool of fewer than {safe} can deadlock; this one has {max}",
            count(tasks, "task"),
            count(nesting, "connection"),
        )
    } else {
        format!(
            "so far {} at once, each holding up to {}: {safe} are enough, and this pool has {max}",
            count(tasks, "task"),
            count(nesting, "connection"),
        )
    }];
    notes.extend(closing_notes(
        Lint::NestedAcquire,
        second.place.function,
        Some(&second.pool),
    ));
    let finding = Finding {
        lint: Lint::NestedAcquire,
        level,
        certainty: holding.certainty,
        cause: "one task takes a second permit and keeps the first: when as many tasks as there are permits do so at once, \
                each waits for the others"
            .to_owned(),
        title,
        verdict: None,
        primary: second.place.to_call_site(),
        label: format!("the second one is taken here, in {function}"),
        function: second.place.function.map(|function| function.name().to_owned()),
        pool: Some(pool.to_string()),
        related,
        facts: vec![
            fact("first held for", short(first.age)),
            fact("tasks at once (Tn)", tasks.to_string()),
            fact("connections per task (Cm)", nesting.to_string()),
            fact("minimum safe size Tn × (Cm − 1) + 1 =", safe.to_string()),
            fact("pool size", max.to_string()),
        ],
        help: help(second, &first, function == holder),
        notes,
    };
    finding.tell(Audience::of(second, scope.collector(), Path::Running))
}

/// How to do with `first` alone, for who takes `second` while it is held.
pub(super) fn help(second: &Handle, first: &HandleInfo, same_function: bool) -> Vec<String> {
    let variable = variable(first);
    let instead = if first.activity == crate::snapshot::Activity::Streaming {
        "read the rows first, and ask for the connection then: `let rows: Vec<_> = stream.try_collect().await?`"
            .to_owned()
    } else if same_function && second.purpose.is_query() {
        format!("send the query on the one that is held: `&mut *{variable}` in place of the pool")
    } else if same_function {
        format!("use the one that is held: `&mut *{variable}`")
    } else {
        format!(
            "let {} take the connection to use, `conn: &mut {}`, and call it with `&mut *{variable}`",
            taker(second.place),
            second.pool.endpoint.connection
        )
    };
    vec![instead, help_to_give_back(first)]
}

pub(super) fn help_to_give_back(first: &HandleInfo) -> String {
    let back = match first.activity {
        crate::snapshot::Activity::Streaming => "drop(stream)",
        _ if first.transaction_depth > 0 => "tx.commit().await?",
        _ => "drop(conn)",
    };
    format!("or give the first one back before: `{back}`")
}

/// What people call it.
fn variable(handle: &HandleInfo) -> &'static str {
    if handle.transaction_depth > 0 {
        "tx"
    } else {
        "conn"
    }
}

fn through(holding: &Holding) -> impl Iterator<Item = Related> {
    holding
        .between
        .iter()
        .map(|function| related("called through here", function.place()))
}

/// How many tasks hold or wait for permits of the pool now: by the outermost scope in each, and what has no scope by its
/// number.
pub(super) fn tasks(of: &Handle) -> u64 {
    let mut tasks: Vec<usize> = handle::all()
        .iter()
        .filter(|handle| handle.pool.id() == of.pool.id())
        .filter(|handle| !handle.is_reserved() && handle.is_alive())
        .filter_map(|handle| match handle.scope() {
            Some(scope) => scope
                .chain_of_task()
                .last()
                .map(|outermost| std::ptr::from_ref(outermost).addr()),
            None => handle.task().and_then(|task| usize::try_from(task).ok()),
        })
        .collect();
    tasks.sort_unstable();
    tasks.dedup();
    tasks.len() as u64
}
