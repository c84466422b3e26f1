//! Who of this process has locked an SQLite database, for writing or for reading.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::describe::taker;
use super::own_wait::{OwnWait, Waiting};
use crate::finding::{Certainty, Related};
use crate::handle::Handle;
use crate::handle::begun::{OpenTransaction, WriteLock};
use crate::measure::units::short;
use crate::pool_state::PoolState;
use crate::pool_state::endpoint::System;
use crate::site::tally::Tally;
use crate::snapshot::{Activity, HandleInfo};
use crate::source::place::Place;

/// A transaction that has the lock for writing of an SQLite database.
pub(super) struct Writer<'a> {
    pub(super) claim: &'a Arc<Handle>,
    pub(super) transaction: OpenTransaction,
    pub(super) lock: WriteLock,
}

impl<'a> Writer<'a> {
    /// The one that has locked the database of `handle`, among these claims. One that certainly has comes first.
    pub(super) fn besides(handle: &Handle, claims: &'a [Arc<Handle>]) -> Option<Self> {
        let writer = |(claim, transaction): (&'a Arc<Handle>, OpenTransaction)| {
            let lock = transaction.write_lock?;
            Some(Writer {
                claim,
                transaction,
                lock,
            })
        };
        transactions(handle, claims)
            .filter_map(writer)
            .max_by_key(Self::is_sure)
    }

    /// Whether it certainly has the lock.
    pub(super) fn is_sure(&self) -> bool {
        self.lock.is_sure
            && !self.transaction.ran_unseen
            && self.lock.statement.is_none_or(is_of_main_database)
    }

    /// Whether it has had the lock since then, or longer.
    pub(super) fn had_it_at(&self, then: Instant) -> bool {
        self.lock.since <= then
    }

    /// `the transaction of report has had the lock for writing for 3.2 s, and has not been used for 3.1 s`, and whether the
    /// task that uses `handle` keeps it.
    pub(super) fn words(&self, handle: &Handle, claims: &[Arc<Handle>], now: Instant) -> String {
        let holds = if self.is_sure() {
            "has had the lock"
        } else {
            "may have had the lock"
        };
        let kept = match is_kept_by_task_of(self.claim, handle) {
            Some(Certainty::Certain) => {
                ". The same task keeps that transaction, which cannot end before this statement does"
            }
            Some(_) => {
                ". The same task seems to keep that transaction, which then cannot end before this statement does"
            }
            None => "",
        };
        format!(
            "the transaction of {} {holds} for writing for {}, and {}{kept}",
            self.holder(),
            short(now.saturating_duration_since(self.lock.since)),
            doing(self.claim, claims, now)
        )
    }

    /// Whether it has written a table that the text names.
    pub(super) fn has_written_table_of(&self, tally: &Tally) -> bool {
        let wrote = [self.lock.statement, self.transaction.wrote];
        wrote.iter().flatten().any(|wrote| {
            let mut written = tables(wrote);
            written.any(|table| tables(tally).any(|it| it.eq_ignore_ascii_case(table)))
        })
    }

    /// The function that has begun the transaction.
    pub(super) fn holder(&self) -> String {
        taker(self.transaction.place)
    }

    /// Where the transaction begins.
    pub(super) fn begun(&self) -> Place {
        self.transaction.place
    }

    /// Where the transaction begins, where it took the lock, and where it was used last.
    pub(super) fn places(&self, now: Instant) -> Vec<Related> {
        let begun = self.transaction.place;
        let mut places = vec![Related::new(
            "the transaction that has the lock for writing begins here",
            begun,
        )];
        let locked = self.lock.statement.and_then(Tally::place);
        let locked = locked.filter(|place| !place.is_same(begun));
        places.extend(locked.map(|place| Related::new("it took the lock here", place)));
        places.extend(used_last(&self.claim.read(now), &[Some(begun), locked]));
        places
    }

    /// Whether the task that runs a statement on `handle` keeps the transaction meanwhile.
    pub(super) fn is_kept_by_task_of(&self, handle: &Handle) -> bool {
        is_kept_by_task_of(self.claim, handle).is_some()
    }

    /// How the statement on `handle` can do without the lock, or how the transaction can keep it for less time.
    pub(super) fn helps(&self, handle: &Handle, claims: &[Arc<Handle>]) -> Vec<String> {
        if self.is_kept_by_task_of(handle) {
            return OWN_TRANSACTION.map(str::to_owned).into();
        }
        let waiting = Waiting::among(claims);
        let own_wait = OwnWait::of(self.claim, &waiting).filter(OwnWait::is_known);
        match own_wait {
            Some(own_wait) => own_wait.helps(),
            None => vec![format!(
                "in {}, do slow work (a request, a file, a sleep) before the first write or after `commit`: the lock is kept until then",
                self.holder()
            )],
        }
    }
}

/// How a task does not wait for its own transaction.
const OWN_TRANSACTION: [&str; 2] = [
    "send it on the transaction that is open: `&mut *tx`, handed down where the function is another one",
    "or, if it must not be part of the transaction, run it before `begin` or after `commit`",
];

/// The tables that a text names.
fn tables(tally: &Tally) -> impl Iterator<Item = &str> {
    // Operations are in capital letters, and tables seldom are.
    let words = tally.summary.split(' ');
    words.filter(|word| word.contains(|letter: char| letter.is_lowercase()))
}

/// A transaction that keeps a lock for reading. In a database with a rollback journal, nobody can commit meanwhile.
pub(super) struct Reader<'a> {
    pub(super) claim: &'a Arc<Handle>,
    pub(super) transaction: OpenTransaction,
}

impl<'a> Reader<'a> {
    /// The oldest one on the database of `handle`, among these claims. One that has certainly read comes first.
    pub(super) fn besides(handle: &Handle, claims: &'a [Arc<Handle>]) -> Option<Self> {
        let mut readers: Vec<_> = transactions(handle, claims)
            .filter(|(_, transaction)| transaction.first.is_some() || transaction.ran_unseen)
            .map(|(claim, transaction)| Reader { claim, transaction })
            .collect();
        readers.sort_by_key(|reader| !reader.is_sure());
        readers.into_iter().next()
    }

    /// Whether it certainly has read.
    pub(super) fn is_sure(&self) -> bool {
        !self.transaction.ran_unseen && has_read(&self.transaction).is_some()
    }

    /// `the transaction of report has read, and has not been used for 3.1 s`.
    pub(super) fn words(&self, claims: &[Arc<Handle>], now: Instant) -> String {
        let reads = if self.is_sure() {
            "has read"
        } else {
            "may have read"
        };
        let holder = taker(self.transaction.place);
        let doing = doing(self.claim, claims, now);
        format!("the transaction of {holder} {reads}, and {doing}")
    }

    /// Where the transaction begins, and where it has read.
    pub(super) fn places(&self) -> Vec<Related> {
        let begun = self.transaction.place;
        let mut places = vec![Related::new(
            "the transaction that reads begins here",
            begun,
        )];
        let read = has_read(&self.transaction).and_then(Tally::place);
        places.extend(read.map(|place| Related::new("it has read here", place)));
        places
    }
}

/// The statement by which a transaction has certainly got a lock for reading: its first one, if that reads a table.
pub(super) fn has_read(transaction: &OpenTransaction) -> Option<&'static Tally> {
    transaction
        .first
        .filter(|first| !first.writes() && first.summary.starts_with("SELECT "))
        .filter(|first| is_of_main_database(first))
}

/// Whether the text names no table of another database: a temporary or an attached one has locks of its own.
pub(super) fn is_of_main_database(tally: &Tally) -> bool {
    !tally.summary.contains('.')
}

/// The open transactions on the database of `handle`, except its own.
fn transactions<'a>(
    handle: &Handle,
    claims: &'a [Arc<Handle>],
) -> impl Iterator<Item = (&'a Arc<Handle>, OpenTransaction)> {
    claims
        .iter()
        .filter(|claim| claim.id() != handle.id() && claim.is_held())
        .filter(|claim| is_one_database(&claim.pool, &handle.pool))
        .filter_map(|claim| Some((claim, claim.open_transaction()?)))
}

/// The handles with a statement on the database of `handle` now, except its own.
pub(super) fn busy<'a>(
    handle: &Handle,
    claims: &'a [Arc<Handle>],
    now: Instant,
) -> impl Iterator<Item = (&'a Arc<Handle>, &'static Tally)> {
    claims
        .iter()
        .filter(|claim| claim.id() != handle.id() && claim.is_held())
        .filter(|claim| is_one_database(&claim.pool, &handle.pool))
        .filter_map(move |claim| Some((claim, claim.running(now)?.0)))
}

/// Whether the pools lead to one SQLite database.
pub(super) fn is_one_database(one: &PoolState, other: &PoolState) -> bool {
    if one.is_none() || other.is_none() {
        return false;
    }
    if one.id() == other.id() {
        return true;
    }
    let (Some(one), Some(other)) = (file(one), file(other)) else {
        return false;
    };
    let canonical = |path: &Path| path.canonicalize().ok();
    one == other
        || one.file_name() == other.file_name()
            && canonical(one).is_some_and(|one| Some(one) == canonical(other))
}

/// The file of a pool's database; `None` if it is in memory.
pub(super) fn file(pool: &PoolState) -> Option<&Path> {
    let endpoint = &pool.endpoint;
    let is_file = endpoint.system == System::Sqlite && endpoint.address != ":memory:";
    is_file.then(|| Path::new(&endpoint.address))
}

/// How SQLite keeps a database whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Journal {
    /// The write-ahead log: readers and the writer do not wait for each other.
    Wal,
    Rollback,
    /// It is not a file, or its name is not its path.
    Unknown,
}

impl Journal {
    /// That of a pool's database, which is open.
    pub(super) fn of(pool: &PoolState) -> Self {
        let Some(file) = file(pool).filter(|file| file.exists()) else {
            return Self::Unknown;
        };
        // The log is there as long as a connection is open.
        let mut log = file.as_os_str().to_owned();
        log.push("-wal");
        if PathBuf::from(log).exists() {
            Self::Wal
        } else {
            Self::Rollback
        }
    }
}

/// Whether the task that uses `handle` keeps `claim` meanwhile, and how certain that is; `None` if nothing shows it.
pub(super) fn is_kept_by_task_of(claim: &Handle, handle: &Handle) -> Option<Certainty> {
    if claim.read(Instant::now()).activity == Activity::Busy {
        return None;
    }
    let keeps = |kept: &Handle, taken: &Handle| kept.is_held_for(taken, &*taken.scope()?);
    // Whichever was taken first.
    keeps(claim, handle).or_else(|| keeps(handle, claim))
}

/// What the holder of a transaction does now.
fn doing(claim: &Arc<Handle>, claims: &[Arc<Handle>], now: Instant) -> String {
    let waiting = Waiting::among(claims);
    if let Some(own_wait) = OwnWait::of(claim, &waiting).filter(OwnWait::is_known) {
        return format!("waits for a permit in {}", taker(own_wait.waiter.place));
    }
    let info = claim.read(now);
    match info.activity {
        Activity::Idle => format!(
            "has not been used for {}",
            short(info.idle.unwrap_or_default())
        ),
        Activity::Busy => match info.operations.first() {
            Some(runs) => format!("is running `{}`", runs.summary),
            None => "is running a statement".to_owned(),
        },
        Activity::Streaming => "is reading rows".to_owned(),
        Activity::Lent => "is lent to plain sqlx".to_owned(),
    }
}

/// Where a handle was used last, unless that is one of these places.
fn used_last(info: &HandleInfo, known: &[Option<Place>]) -> Option<Related> {
    let last = info.operations.first()?;
    let site = last.site.as_ref()?;
    let is_known = known
        .iter()
        .flatten()
        .any(|place| place.to_call_site() == *site);
    (!is_known).then(|| {
        Related::new(
            format!("it was used last here, {} ago", short(last.age)),
            site.clone(),
        )
    })
}
