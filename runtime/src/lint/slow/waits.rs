//! What a slow statement may wait for, other than its own work: a lock, or rows that were left unread before it.

use std::sync::Arc;
use std::time::Instant;

use crate::finding::Related;
use crate::handle::begun::OpenTransaction;
use crate::handle::{Handle, live};
use crate::lint::describe::taker;
use crate::lint::sqlite_locks::Writer;
use crate::lint::unread;
use crate::measure::units::count;
use crate::pool_state::PoolState;
use crate::pool_state::endpoint::System;
use crate::site::tally::Tally;
use crate::source::place::Place;
use crate::sql::{Lock, locks};

/// What the statement may wait for, and what to do then.
pub(super) struct Suspicion {
    pub(super) cause: String,
    /// Where the transaction begins that may have the lock.
    pub(super) holder: Option<Place>,
    pub(super) related: Vec<Related>,
    pub(super) help: Vec<String>,
}

/// What the statement on `handle` waits for, or has waited for, if there is a sign of it. `ended_well` is whether it has its
/// answer.
pub(super) fn suspicion(
    tally: &Tally,
    handle: Option<&Handle>,
    system: System,
    ended_well: bool,
) -> Option<Suspicion> {
    let lock = locks(tally.sql());
    handle
        .and_then(reads_first)
        .or_else(|| {
            // An answer that came while the transaction is open did not wait for it.
            let handle = handle.filter(|_| !ended_well)?;
            own_transaction(tally, lock, handle).or_else(|| sqlite_writer(tally, handle))
        })
        .or_else(|| lock.map(|lock| asks_for(lock, system)))
}

/// The connection still reads what a statement before this one has left unread.
fn reads_first(handle: &Handle) -> Option<Suspicion> {
    let unread = handle.unread()?;
    Some(Suspicion {
        cause: format!(
            "{}: the connection reads the rest of that answer before this statement",
            unread::dropped(&unread)
        ),
        holder: None,
        related: unread::place(&unread).into_iter().collect(),
        help: unread::help(handle, &unread),
    })
}

/// The same task has a transaction open on the same database, which holds locks.
fn own_transaction(tally: &Tally, lock: Option<Lock>, handle: &Handle) -> Option<Suspicion> {
    if !tally.writes() && lock.is_none() {
        return None;
    }
    let claims = live::all();
    let (_, transaction) = claims
        .iter()
        .filter(|claim| claim.id() != handle.id() && claim.is_held())
        .filter(|claim| is_same_database(&claim.pool, &handle.pool))
        .filter(|claim| is_kept_for(claim, handle))
        .filter_map(|claim| Some((claim, claim.open_transaction()?)))
        .find(|(claim, transaction)| has_locked(claim, transaction, lock))?;
    let holder = taker(transaction.place);
    let mut related = vec![Related::new(
        "the transaction begins here",
        transaction.place,
    )];
    if let Some(place) = transaction.wrote.and_then(Tally::place) {
        related.push(Related::new("and has written here", place));
    } else if let Some(lock) = transaction.write_lock
        && let Some(place) = lock.statement.and_then(Tally::place)
    {
        related.push(Related::new("and has locked the database here", place));
    }
    let variable = if transaction.text.is_some() {
        "conn"
    } else {
        "tx"
    };
    let mut help = vec![
        format!(
            "send it in the transaction that is open: `&mut *{variable}`, handed down where the function is another one"
        ),
        "or, if it must not be part of the transaction, run it before `begin` or after `commit`"
            .to_owned(),
    ];
    help.extend(who_waits(handle.pool.endpoint.system));
    Some(Suspicion {
        cause: format!(
            "it may wait for a lock of the transaction that {holder} has open on the same database, after {}: the same task keeps that \
             transaction while it waits here",
            count(transaction.statements, "statement")
        ),
        holder: Some(transaction.place),
        related,
        help,
    })
}

/// Another transaction has the lock for writing of the SQLite database.
fn sqlite_writer(tally: &Tally, handle: &Handle) -> Option<Suspicion> {
    let has_lock = |it: OpenTransaction| it.write_lock.is_some();
    let endpoint = &handle.pool.endpoint;
    if !endpoint.system.has_one_writer() || handle.open_transaction().is_some_and(has_lock) {
        return None;
    }
    let claims = live::all();
    let writer = Writer::besides(handle, &claims)?;
    // In memory, connections share their tables, and a reader waits as well.
    let is_shared = endpoint.address == ":memory:";
    let waits =
        tally.writes() || tally.begins_writing() || is_shared && writer.has_written_table_of(tally);
    let now = Instant::now();
    waits.then(|| Suspicion {
        cause: format!(
            "it may wait for a lock: {}",
            writer.words(handle, &claims, now)
        ),
        holder: Some(writer.begun()),
        related: writer.places(now),
        help: writer.helps(handle, &claims),
    })
}

fn is_same_database(one: &Arc<PoolState>, other: &Arc<PoolState>) -> bool {
    // Of in-memory databases, and of connections without a pool, the address does not show which database it is.
    let is_known = !one.is_none() && one.endpoint.address != ":memory:";
    one.id() == other.id() || is_known && one.endpoint == other.endpoint
}

/// Whether the task that runs a statement on `handle` keeps `claim` meanwhile.
fn is_kept_for(claim: &Handle, handle: &Handle) -> bool {
    let inner = handle.scope();
    inner.is_some_and(|inner| claim.is_held_for(handle, &inner).is_some())
}

/// Whether the transaction holds locks that such a statement may wait for.
fn has_locked(claim: &Handle, transaction: &OpenTransaction, lock: Option<Lock>) -> bool {
    let statements = claim.last_statements();
    let mut locked = statements.iter().filter_map(|tally| locks(tally.sql()));
    match lock {
        Some(Lock::Name) => locked.any(|locked| locked == Lock::Name),
        Some(Lock::Table | Lock::Rows) | None => {
            let has_written = transaction.wrote.is_some() || transaction.write_lock.is_some();
            has_written || locked.any(|locked| locked != Lock::Name)
        }
    }
}

/// The statement's text asks for a lock.
fn asks_for(lock: Lock, system: System) -> Suspicion {
    let cause = match lock {
        Lock::Name => {
            "it asks for a lock by its name, and waits until no other session holds that lock"
        }
        Lock::Table => "it locks whole tables, and waits until no other transaction uses them",
        Lock::Rows => {
            "it locks the rows that it selects, and may wait for a transaction that has written or locked them"
        }
    };
    let mut help: Vec<String> = who_waits(system).into_iter().collect();
    let more = match (system, lock) {
        (System::Postgres, Lock::Name) => Some(
            "see which locks of this kind are held: `SELECT * FROM pg_locks WHERE locktype = 'advisory'`; to give up instead of waiting, \
             `pg_try_advisory_lock`",
        ),
        (System::Postgres, _) => {
            Some("or let it give up after a time: `SET LOCAL lock_timeout = '5s'`")
        }
        (System::MySql, Lock::Name) => Some(
            "see which connection holds it: `SELECT IS_USED_LOCK('…')`; `GET_LOCK` takes the time to wait as its second argument",
        ),
        (System::MySql, _) => {
            Some("see the transactions and their locks: `SHOW ENGINE INNODB STATUS`")
        }
        (System::Sqlite | System::Other, _) => None,
    };
    help.extend(more.map(str::to_owned));
    Suspicion {
        cause: cause.to_owned(),
        holder: None,
        related: Vec::new(),
        help,
    }
}

/// How to see who holds the lock.
pub(super) fn who_waits(system: System) -> Option<String> {
    let list = system.list_of_waits()?;
    Some(format!(
        "ask the database who waits, and for whom: `{list}`"
    ))
}
