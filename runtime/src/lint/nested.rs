//! A permit is taken while its scope, or one around it, holds one of the same pool.

use std::sync::Arc;
use std::time::Instant;

use super::Reaction;
use super::describe::{closing_notes, noun, taker};
use super::emit::Audience;
use super::judge::judge_handle;
use crate::config::{self, Rules};
use crate::finding::{Certainty, Finding, Lint, Related};
use crate::handle::begun::OpenTransaction;
use crate::handle::{Handle, live, owner};
use crate::measure::units::{count, short};
use crate::scope::Scope;
use crate::snapshot::{Activity, HandleInfo};
use crate::source::function::Function;

/// A handle that is held while another one is taken.
struct Holding {
    handle: Arc<Handle>,
    certainty: Certainty,
    /// The functions between the one that holds it and the one that takes the other.
    between: Vec<&'static Function>,
}

/// `second` was just granted. Where one of the lints is at deny, the acquire must panic.
pub(crate) fn on_granted(second: &Handle) -> Reaction {
    // In most cases nothing else of the pool is held.
    if second.pool.held() <= 1 {
        return Reaction::Go;
    }
    let Some(scope) = second.scope() else {
        return Reaction::Go;
    };
    let held = holdings(second, &scope);
    let Some(first) = held.first() else {
        return Reaction::Go;
    };
    let rules = config::rules();
    let mut open = held.iter().filter_map(|holding| {
        let transaction = holding.handle.open_transaction()?;
        Some((holding, transaction))
    });
    let outside = match open.next() {
        Some((holding, transaction)) if second.purpose.is_query() => {
            outside_transaction(&rules, second, &scope, holding, transaction)
        }
        _ => Reaction::Go,
    };
    let nested = nested_acquire(&rules, second, &scope, first, held.len() as u64 + 1);
    outside.or(nested)
}

/// The handles of the same pool that the scopes around `second` hold, nearest first.
fn holdings(second: &Handle, scope: &Scope) -> Vec<Holding> {
    let mut found = Vec::new();
    let mut between: Vec<&'static Function> = Vec::new();
    let mut below: Option<&Scope> = None;
    for around in scope.chain_of_task() {
        for handle in owner::held_by(around) {
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

fn outside_transaction(
    rules: &Rules,
    second: &Handle,
    scope: &Scope,
    holding: &Holding,
    transaction: OpenTransaction,
) -> Reaction {
    let Some(level) = judge_handle(rules, Lint::OutsideTransaction, second) else {
        return Reaction::Go;
    };
    let pool = second.pool.name();
    let open_for = Instant::now().saturating_duration_since(transaction.when);
    let (function, holder) = (taker(second.place), taker(holding.handle.place));
    let (whose, instead) = if function == holder {
        (
            "its transaction of that pool is open".to_owned(),
            "send it on the transaction: `&mut *tx` instead of `&pool`".to_owned(),
        )
    } else {
        (
            format!("{holder} has a transaction of that pool open"),
            format!(
                "let {function} take the connection as a parameter, `conn: &mut {}`, and pass `&mut *tx`",
                second.pool.endpoint.connection
            ),
        )
    };
    let finding = Finding::of(Lint::OutsideTransaction, level, second.place)
        .title(format!("{function} sends a query to pool {pool} while {whose}"))
        .label(format!("runs outside the transaction, in {function}"))
        .pool(&pool)
        .cause(
            holding.certainty,
            "the query took a connection of its own: it does not see what the transaction wrote, and is not rolled back with it",
        )
        .related("the transaction begins here", transaction.place)
        .all_related(through(holding))
        .fact("transaction open for", short(open_for))
        .fact("after", count(transaction.statements, "statement"))
        .help(instead)
        .help("or, if it must not be part of the transaction, run it before `begin` or after `commit`")
        .notes(closing_notes(
            Lint::OutsideTransaction,
            second.place.function,
            Some(&second.pool),
        ));
    finding.report(Audience::of(second, scope.collector(), true))
}

fn nested_acquire(
    rules: &Rules,
    second: &Handle,
    scope: &Scope,
    holding: &Holding,
    permits: u64,
) -> Reaction {
    let Some(level) = judge_handle(rules, Lint::NestedAcquire, second) else {
        return Reaction::Go;
    };
    let pool = second.pool.name();
    let first = holding.handle.read(Instant::now());
    let (function, holder) = (taker(second.place), taker(holding.handle.place));
    let taken = if second.purpose.is_query() {
        "sends a query to"
    } else {
        "acquires a connection of"
    };
    let who = if function == holder { "it" } else { &holder };
    let size = SafeSize::of(second, permits);
    let finding = Finding::of(Lint::NestedAcquire, level, second.place)
        .title(format!(
            "{function} {taken} pool {pool} while {who} holds {} of that pool",
            noun(&first)
        ))
        .label(format!("the second permit is taken here, in {function}"))
        .pool(&pool)
        .cause(
            holding.certainty,
            "one task takes a second permit and keeps the first: when as many tasks as there are permits do so at once, \
             each waits for the others",
        )
        .related(
            format!("{} is held from here on", noun(&first)),
            holding.handle.place,
        )
        .all_related(through(holding))
        .fact("first held for", short(first.age))
        .fact("tasks at once (Tn)", size.tasks.to_string())
        .fact("connections per task (Cm)", size.nesting.to_string())
        .fact("minimum safe size Tn × (Cm − 1) + 1 =", size.safe.to_string())
        .fact("pool size", size.max.to_string())
        .helps(help(second, &first, function == holder))
        .note(size.note())
        .notes(closing_notes(
            Lint::NestedAcquire,
            second.place.function,
            Some(&second.pool),
        ));
    finding.report(Audience::of(second, scope.collector(), true))
}

/// The size at which a pool is free of deadlock, by what was seen so far.
struct SafeSize {
    tasks: u64,
    nesting: u64,
    safe: u64,
    max: u64,
}

impl SafeSize {
    /// With `permits` held by the task that takes `second`.
    fn of(second: &Handle, permits: u64) -> Self {
        let nesting = second.pool.note_nesting(permits);
        let tasks = second.pool.note_tasks(tasks(second));
        Self {
            tasks,
            nesting,
            safe: tasks * (nesting - 1) + 1,
            max: u64::from(second.pool.limits.max_connections),
        }
    }

    fn note(&self) -> String {
        let tasks = count(self.tasks, "task");
        let connections = count(self.nesting, "connection");
        let Self { safe, max, .. } = self;
        if safe > max {
            format!(
                "with {tasks} at once, each holding up to {connections}, a pool of fewer than {safe} can deadlock; this one has {max}"
            )
        } else {
            format!(
                "so far {tasks} at once, each holding up to {connections}: {safe} permits are enough, and this pool has {max}"
            )
        }
    }
}

/// How the code that takes `second` can do with `first` alone.
pub(super) fn help(second: &Handle, first: &HandleInfo, same_function: bool) -> Vec<String> {
    let variable = variable(first);
    let instead = if first.activity == Activity::Streaming {
        "read all rows first, then acquire the connection: `let rows: Vec<_> = stream.try_collect().await?`"
            .to_owned()
    } else if same_function && second.purpose.is_query() {
        format!(
            "send the query on the connection that is held: `&mut *{variable}` instead of the pool"
        )
    } else if same_function {
        format!("use the connection that is held: `&mut *{variable}`")
    } else {
        format!(
            "let {} take the connection as a parameter, `conn: &mut {}`, and pass `&mut *{variable}`",
            taker(second.place),
            second.pool.endpoint.connection
        )
    };
    vec![instead, help_to_give_back(first)]
}

pub(super) fn help_to_give_back(first: &HandleInfo) -> String {
    let back = match first.activity {
        Activity::Streaming => "drop(stream)",
        _ if first.transaction_depth > 0 => "tx.commit().await?",
        _ => "drop(conn)",
    };
    format!("or release the first one before: `{back}`")
}

/// The usual name of its variable.
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
        .map(|function| Related::new("called through here", function.place()))
}

/// The number of tasks that hold or wait for permits of the pool now. A task is known by its outermost scope; without a
/// scope, by the address of its waker.
pub(super) fn tasks(of: &Handle) -> u64 {
    let mut tasks: Vec<usize> = live::all()
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
