//! A permit is taken while its scope, or one around it, holds one of the same pool.

use std::time::Instant;

use super::Reaction;
use super::demand::Demand;
use super::describe::{closing_notes, noun, taker};
use super::emit::Audience;
use super::holdings::{Holding, holdings};
use super::judge::judge_handle;
use crate::config::{self, Rules};
use crate::finding::{Finding, Lint, Related};
use crate::handle::Handle;
use crate::handle::begun::OpenTransaction;
use crate::measure::units::{count, short};
use crate::scope::Scope;
use crate::snapshot::{Activity, HandleInfo};

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
    let demand = Demand::with(second, permits);
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
        .facts(demand.facts())
        .helps(help(second, &first, function == holder))
        .notes(demand.note())
        .notes(closing_notes(
            Lint::NestedAcquire,
            second.place.function,
            Some(&second.pool),
        ));
    finding.report(Audience::of(second, scope.collector(), true))
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
