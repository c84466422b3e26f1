//! A permit is taken while its scope, or one around it, holds one of the same pool.

use std::time::Instant;

use super::Reaction;
use super::advice::Second;
use super::demand::{Demand, note_tasks_at_peak};
use super::describe::{closing_notes, holder, noun, numbers_of, numbers_of_handle, taker};
use super::emit::Audience;
use super::holdings::{Holding, holdings};
use super::judge::judge_handle;
use crate::config::{self, Rules};
use crate::finding::{Finding, Lint, Numbers, Related};
use crate::handle::Handle;
use crate::handle::begun::OpenTransaction;
use crate::measure::units::{count, short};
use crate::scope::Scope;

/// `second` was just granted. Where one of the lints is at deny, the acquire must panic.
pub(crate) fn on_granted(second: &Handle) -> Reaction {
    let pool = &second.pool;
    if pool.demand.is_at_peak(pool.permits.most_held()) {
        note_tasks_at_peak(pool);
    }
    // In most cases nothing else of the pool is held.
    if pool.held() <= 1 {
        return Reaction::Go;
    }
    let Some(scope) = second.scope() else {
        return Reaction::Go;
    };
    let held = holdings(second, &scope);
    let Some(first) = held.first() else {
        return Reaction::Go;
    };
    let permits = held.len() as u64 + 1;
    pool.demand.note_nesting(permits);
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
    let nested = nested_acquire(&rules, second, &scope, first, permits);
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
    let (function, holder) = (taker(second.place), holder(&holding.handle));
    let (whose, instead) = if function == holder {
        (
            "its transaction of that pool is open".to_owned(),
            match transaction.text {
                None => "send it on the transaction: `&mut *tx` instead of `&pool`".to_owned(),
                Some(_) => "send it on the connection that is in the transaction: `&mut *conn` instead of `&pool`".to_owned(),
            },
        )
    } else {
        (
            format!("{holder} has a transaction of that pool open"),
            of(second, holding).instead(&holding.handle.read(Instant::now())),
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
        .holder(holding.handle.place)
        .numbers(Numbers {
            held: Some(holding.handle.read(Instant::now()).age),
            ..numbers_of(&second.pool)
        })
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
    let (function, holder) = (taker(second.place), holder(&holding.handle));
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
        .holder(holding.handle.place)
        .numbers(numbers_of_handle(&first, &second.pool))
        .fact("first held for", short(first.age))
        .facts(demand.facts())
        .helps(of(second, holding).helps(&first))
        .notes(demand.note())
        .notes(closing_notes(
            Lint::NestedAcquire,
            second.place.function,
            Some(&second.pool),
        ));
    finding.report(Audience::of(second, scope.collector(), true))
}

fn of<'a>(second: &'a Handle, holding: &'a Holding) -> Second<'a> {
    Second {
        handle: second,
        first: &holding.handle,
        between: &holding.between,
    }
}

fn through(holding: &Holding) -> impl Iterator<Item = Related> {
    holding
        .between
        .iter()
        .map(|function| Related::new("called through here", function.place()))
}
