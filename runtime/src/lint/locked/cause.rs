//! Why SQLite has refused it: what the code, the transaction and the other handles of this process show.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::code::Code;
use super::refused::Refused;
use crate::finding::{Certainty, Related};
use crate::handle::Handle;
use crate::handle::begun::OpenTransaction;
use crate::lint::places::LISTED;
use crate::lint::sqlite_locks::{
    Journal, Reader, Writer, busy, file, has_read, is_kept_by_task_of, is_of_main_database,
};
use crate::measure::units::count;
use crate::site::tally::Tally;

/// A refusal that comes sooner has not waited: every usual `busy_timeout` is longer.
const AT_ONCE: Duration = Duration::from_millis(500);

/// What was refused, and what is known at that time.
pub(super) struct Case<'a> {
    pub(super) handle: Option<&'a Arc<Handle>>,
    pub(super) refused: Refused,
    pub(super) time: Option<Duration>,
    pub(super) code: Code,
    /// The transaction that is open on the handle.
    pub(super) transaction: Option<&'a OpenTransaction>,
    pub(super) claims: &'a [Arc<Handle>],
    pub(super) now: Instant,
}

/// Why it was refused, and what to do.
pub(super) struct Cause {
    pub(super) certainty: Certainty,
    pub(super) text: String,
    pub(super) related: Vec<Related>,
    pub(super) help: Vec<String>,
}

/// What SQLite needed for it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Read,
    /// The lock for writing.
    Write,
    /// In a database with a rollback journal: that nobody reads. It has the lock for writing.
    Commit,
    /// That nobody else uses the database: a PRAGMA may ask for that.
    Alone,
}

impl Case<'_> {
    /// The first explanation that applies: those that can be proven come first.
    pub(super) fn cause(&self) -> Cause {
        self.own_rules()
            .or_else(|| self.upgrade())
            .or_else(|| self.writer())
            .or_else(|| self.reader())
            .or_else(|| self.crowd())
            .unwrap_or_else(|| self.unknown())
    }

    fn need(&self) -> Need {
        let Some(tally) = self.refused.tally() else {
            return if self.refused.is_commit() {
                Need::Commit
            } else {
                Need::Write
            };
        };
        let writes_already = self.transaction.is_some_and(|it| it.write_lock.is_some());
        match tally.summary.split(' ').next() {
            _ if tally.writes() && writes_already => Need::Commit,
            _ if tally.writes() || tally.begins_writing() => Need::Write,
            _ if tally.commits() => Need::Commit,
            Some("PRAGMA") => Need::Alone,
            _ => Need::Read,
        }
    }

    /// Whether it was refused without a wait.
    fn is_at_once(&self) -> bool {
        self.time.is_some_and(|time| time < AT_ONCE)
    }

    /// What SQLite says by the code alone.
    fn own_rules(&self) -> Option<Cause> {
        let certain = |text: &str, help: &[&str]| Cause {
            certainty: Certainty::Certain,
            text: text.to_owned(),
            related: Vec::new(),
            help: help.iter().map(|&help| help.to_owned()).collect(),
        };
        match (self.code, self.refused.tally()) {
            (Code::BusyRecovery, _) => Some(certain(
                "another connection is repairing the write-ahead log after a program that had the database open has crashed",
                &["retry it: the repair takes as long as the log is to read"],
            )),
            (Code::Deadlocked, _) => Some(self.table_deadlock()),
            (Code::Locked, Some(tally))
                if tally.sql().to_ascii_lowercase().contains("wal_checkpoint")
                    && self.transaction.is_some() =>
            {
                Some(certain(
                    "SQLite makes no checkpoint of its log inside a transaction",
                    &["run the checkpoint before `begin` or after `commit`"],
                ))
            }
            _ => None,
        }
    }

    /// Transactions of a shared cache wait for each other's tables.
    fn table_deadlock(&self) -> Cause {
        let others = self.handle.into_iter().flat_map(|handle| {
            let of_pool = self
                .claims
                .iter()
                .filter(|claim| claim.id() != handle.id() && claim.pool.id() == handle.pool.id());
            of_pool.filter_map(|claim| claim.open_transaction())
        });
        let related = others.take(LISTED).map(|transaction| {
            Related::new("another transaction on it begins here", transaction.place)
        });
        Cause {
            certainty: Certainty::Certain,
            text: "two transactions on one shared cache wait for each other: each needs a table that the other has locked"
                .to_owned(),
            related: related.collect(),
            help: vec![
                "roll back and retry the whole transaction, from its begin".to_owned(),
                "use the tables in the same order everywhere, or one connection at a time: `.max_connections(1)`, with `.idle_timeout(None).max_lifetime(None)`".to_owned(),
            ],
        }
    }

    /// A transaction that has read wants to write.
    fn upgrade(&self) -> Option<Cause> {
        let certainty = match (self.code, self.refused.tally()) {
            (Code::BusySnapshot, _) => Certainty::Certain,
            (Code::Busy | Code::BusyTimeout, Some(tally))
                if self.need() == Need::Write && self.is_at_once() =>
            {
                self.certainty_of_upgrade(tally)?
            }
            _ => return None,
        };
        let read = self.transaction.and_then(has_read).and_then(Tally::place);
        let begun = self.transaction.map(|transaction| transaction.place);
        let mut related: Vec<_> = begun
            .map(|place| Related::new("the transaction begins here", place))
            .into_iter()
            .chain(read.map(|place| Related::new("it has read here", place)))
            .collect();
        let text = if self.code == Code::BusySnapshot {
            "the transaction has read before, and another connection has written since: it may not write on top of what it has not seen. \
             SQLite refuses this at once, whatever `busy_timeout` is"
                .to_owned()
        } else {
            let writer = self.find_writer();
            related.extend(writer.iter().flat_map(|writer| writer.places(self.now)));
            "the transaction has read before, and another connection has the lock for writing: SQLite does not let a transaction that has read \
             wait for that lock, whatever `busy_timeout` is"
                .to_owned()
        };
        Some(Cause {
            certainty,
            text,
            related,
            help: self.helps_of_upgrade(),
        })
    }

    /// The same for a refusal by code 5: only the transaction shows whether it had read before.
    fn certainty_of_upgrade(&self, tally: &Tally) -> Option<Certainty> {
        let Some(transaction) = self.transaction else {
            // A text with several statements may begin, read and write.
            return tally.begins().then_some(Certainty::Likely);
        };
        if transaction.write_lock.is_some() {
            return None;
        }
        let is_sure = has_read(transaction).is_some()
            && is_of_main_database(tally)
            && !transaction.ran_unseen;
        let may_have_read = transaction.statements > 1 || transaction.ran_unseen;
        match (is_sure, may_have_read) {
            (true, _) => Some(Certainty::Certain),
            (false, true) => Some(Certainty::Likely),
            (false, false) => None,
        }
    }

    fn helps_of_upgrade(&self) -> Vec<String> {
        let begins_at_pool =
            self.transaction
                .zip(self.handle)
                .is_some_and(|(transaction, handle)| {
                    !handle.pool.is_none() && transaction.place.is_same(handle.place)
                });
        let begin = if self
            .transaction
            .is_some_and(|transaction| transaction.text.is_some())
        {
            "`BEGIN IMMEDIATE` in place of `BEGIN`"
        } else if begins_at_pool {
            "`pool.begin_with(\"BEGIN IMMEDIATE\").await?`"
        } else {
            "`conn.begin_with(\"BEGIN IMMEDIATE\").await?`"
        };
        vec![
            format!("take the lock for writing at the begin, where SQLite waits for it: {begin}"),
            "retry the whole transaction, from its begin: it reads again, and the statement alone would be refused again".to_owned(),
        ]
    }

    fn find_writer(&self) -> Option<Writer<'_>> {
        Writer::besides(self.handle?, self.claims)
    }

    /// A transaction of this process has the lock for writing.
    fn writer(&self) -> Option<Cause> {
        let need = self.need();
        if need == Need::Commit {
            return None;
        }
        let handle = self.handle?;
        // In a write-ahead log, a writer is in nobody's way who reads.
        if need == Need::Read && !self.code.is_of_table() && self.journal() == Journal::Wal {
            return None;
        }
        let writer = self.find_writer()?;
        let is_certain = need == Need::Write && self.has_been_held(&writer);
        let mut help = writer.helps(handle, self.claims);
        if !writer.is_kept_by_task_of(handle) {
            help.push(
                "or let others wait for longer: `SqliteConnectOptions::busy_timeout(Duration::from_secs(30))`"
                    .to_owned(),
            );
        }
        Some(Cause {
            certainty: certain_if(is_certain),
            text: writer.words(handle, self.claims, self.now),
            related: writer.places(self.now),
            help,
        })
    }

    /// Whether the writer certainly had the lock during the whole wait.
    fn has_been_held(&self, writer: &Writer<'_>) -> bool {
        let sent = self.time.and_then(|time| self.now.checked_sub(time));
        let is_of_main = self.refused.tally().is_none_or(is_of_main_database);
        writer.is_sure() && is_of_main && sent.is_some_and(|sent| writer.had_it_at(sent))
    }

    /// With a rollback journal, nobody can commit, or use the database alone, while a transaction has read.
    fn reader(&self) -> Option<Cause> {
        let need = self.need();
        let handle = self.handle?;
        let reads_lock = match self.code {
            Code::LockedSharedCache => need != Need::Read,
            Code::Locked | Code::LockedVirtualTable => false,
            _ => need == Need::Alone || self.journal() == Journal::Rollback && need != Need::Read,
        };
        // A statement in a transaction commits nothing.
        let commits = need != Need::Write || self.transaction.is_none();
        if !reads_lock || !commits && !self.code.is_of_table() {
            return None;
        }
        let reader = Reader::besides(handle, self.claims)?;
        let is_certain =
            self.refused.is_commit() && reader.is_sure() && self.journal() == Journal::Rollback;
        let rule = if self.code.is_of_table() {
            "in a shared cache, a table that one transaction has read cannot be written by another"
        } else {
            "with a rollback journal, SQLite commits only when nobody reads"
        };
        let text = format!("{}: {rule}", reader.words(self.claims, self.now));
        let mut help = Vec::new();
        if is_kept_by_task_of(reader.claim, handle).is_some() {
            help.push("the same task has both: end the transaction that reads first".to_owned());
        } else {
            help.push(
                "end the transaction that reads as soon as it has its rows: `tx.commit().await?`"
                    .to_owned(),
            );
        }
        if !self.code.is_of_table() {
            help.push(
                "or let readers and the writer not wait for each other: `SqliteConnectOptions::journal_mode(SqliteJournalMode::Wal)`".to_owned(),
            );
        }
        Some(Cause {
            certainty: certain_if(is_certain),
            text,
            related: reader.places(),
            help,
        })
    }

    /// Other statements of this process write at the same time.
    fn crowd(&self) -> Option<Cause> {
        let handle = self.handle?;
        let mut writes: Vec<_> = busy(handle, self.claims, self.now)
            .filter(|(_, tally)| tally.writes())
            .collect();
        if writes.is_empty() || self.need() == Need::Read {
            return None;
        }
        let number = count(writes.len() as u64, "other statement");
        writes.truncate(LISTED);
        let at = |(_, tally): &(_, &Tally)| {
            Some(Related::new(
                format!("`{}` runs here", tally.summary),
                tally.place()?,
            ))
        };
        Some(Cause {
            certainty: Certainty::Likely,
            text: format!(
                "at this moment, this process runs {number} on the database that may write: SQLite lets one write at a time, and serves those that wait in no order. \
                 If none of them has the lock, another process has it"
            ),
            related: writes.iter().filter_map(at).collect(),
            help: vec![
                "write less often: several rows in one statement, and several statements in one transaction".to_owned(),
                "or let one connection write, for which tasks then queue: a pool of its own with `.max_connections(1)`".to_owned(),
                "or let them wait for longer: `SqliteConnectOptions::busy_timeout(Duration::from_secs(30))`".to_owned(),
            ],
        })
    }

    /// Nothing in this process explains it.
    fn unknown(&self) -> Cause {
        let text = match self.handle.filter(|handle| !handle.pool.is_none()) {
            _ if self.code.is_of_table() => {
                "a statement that still runs on this connection, or on another one of its shared cache, has locked the table"
            }
            None => {
                "another connection has locked the database: one of this process, or of another one"
            }
            Some(_) => {
                "no transaction of a pool in this process is known to have locked the database: another process has, or a statement that has just ended"
            }
        };
        Cause {
            certainty: Certainty::Likely,
            text: text.to_owned(),
            related: Vec::new(),
            help: self.helps_of_unknown(),
        }
    }

    fn helps_of_unknown(&self) -> Vec<String> {
        let mut help = Vec::new();
        let is_alone = self.transaction.is_none_or(|it| it.statements <= 1);
        if self.is_at_once() && is_alone && !self.code.is_of_table() {
            help.push(
                "let it wait, or wait for longer: `SqliteConnectOptions::busy_timeout(Duration::from_secs(5))`"
                    .to_owned(),
            );
        }
        if let Some(file) = self.handle.and_then(|handle| file(&handle.pool)) {
            help.push(format!(
                "see which processes have the file open: `lsof {}`",
                file.display()
            ));
        }
        if self.journal() == Journal::Rollback {
            help.push(
                "let readers and the writer not wait for each other: `SqliteConnectOptions::journal_mode(SqliteJournalMode::Wal)`".to_owned(),
            );
        }
        help.push("retry it, or the whole transaction, after a pause".to_owned());
        help
    }

    fn journal(&self) -> Journal {
        self.handle
            .map_or(Journal::Unknown, |handle| Journal::of(&handle.pool))
    }
}

fn certain_if(is_certain: bool) -> Certainty {
    if is_certain {
        Certainty::Certain
    } else {
        Certainty::Likely
    }
}
