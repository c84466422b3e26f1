//! What is set on a connection.

use std::ptr;

use crate::pool_state::endpoint::System;
use crate::site::tally::Tally;
use crate::sql::{Item, Key, Kind, Undo};

/// A handle remembers this many things that are set, and as many savepoints.
const REMEMBERED: usize = 16;

/// What statements' texts have set on the connection while a handle has it.
#[derive(Debug, Default)]
pub(super) struct Session {
    marks: Vec<Mark>,
    /// The savepoints that texts have set in the open transaction.
    savepoints: Vec<Savepoint>,
    /// The number of things set so far. It orders marks and savepoints.
    number: u64,
    /// The number of statements at the beginning of the hold that have set something, before any other.
    opening: u64,
}

/// Something that a text has set on the connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    pub(crate) item: &'static Item,
    /// The text that has set it.
    pub(crate) tally: &'static Tally,
    number: u64,
    /// The number of transactions and savepoints that were open around it.
    depth: usize,
    /// How many times a lock is held.
    times: u32,
    /// Whether the hold began with it.
    pub(crate) opens: bool,
    /// Whether code that is not seen may have used the connection since.
    pub(crate) ran_unseen: bool,
}

#[derive(Debug)]
struct Savepoint {
    key: Key,
    /// The number of things set before it.
    number: u64,
}

impl Session {
    /// `depth` is the number of open transactions and savepoints, and `statement` the number of statements so far.
    pub(super) fn set(
        &mut self,
        item: &'static Item,
        tally: &'static Tally,
        depth: usize,
        statement: u64,
    ) {
        let opens = statement <= self.opening + 1;
        if opens {
            self.opening = statement;
        }
        self.number += 1;
        self.add(Mark {
            item,
            tally,
            number: self.number,
            depth,
            times: 1,
            opens,
            ran_unseen: false,
        });
    }

    /// Whether something of this kind is set.
    pub(super) fn has(&self, kind: Kind) -> bool {
        self.marks.iter().any(|mark| mark.item.kind == kind)
    }

    fn add(&mut self, new: Mark) {
        let (kind, key) = (new.item.kind, new.item.key);
        let mut marks = self.marks.iter();
        let Some(at) = marks.position(|mark| (mark.item.kind, mark.item.key) == (kind, key)) else {
            if self.marks.len() < REMEMBERED {
                self.marks.push(new);
            }
            return;
        };
        let before = &mut self.marks[at];
        if matches!(kind, Kind::Lock | Kind::NamedLock) {
            before.times += 1;
        } else if kind.is_setting() && (new.item.bound || !before.is_set_by(&new)) {
            // Another value may be the old one.
            self.marks.remove(at);
        }
    }

    pub(super) fn undo(&mut self, undo: Undo) {
        match undo {
            Undo::Everything => self.marks.clear(),
            Undo::All(kind) => self.marks.retain(|mark| mark.item.kind != kind),
            Undo::One(kind, key) => self.undo_one(kind, key),
        }
    }

    /// Undoes the last thing of this key; without one, the last whose key is not known.
    fn undo_one(&mut self, kind: Kind, key: Option<Key>) {
        let last = |is_it: &dyn Fn(Option<Key>) -> bool| {
            let mut marks = self.marks.iter();
            marks.rposition(|mark| mark.item.kind == kind && is_it(mark.item.key))
        };
        let same = last(&|of| key.is_none() || of == key);
        let Some(at) = same.or_else(|| last(&|of| of.is_none())) else {
            return;
        };
        self.marks[at].times -= 1;
        if self.marks[at].times == 0 {
            self.marks.remove(at);
        }
    }

    pub(super) fn set_savepoint(&mut self, key: Key) {
        if self.savepoints.len() < REMEMBERED {
            let number = self.number;
            self.savepoints.push(Savepoint { key, number });
        }
    }

    /// What was set since the savepoint is undone, where the database does that.
    pub(super) fn return_to_savepoint(&mut self, key: Key, system: System) {
        let known = self.savepoints.iter().rposition(|it| it.key == key);
        // One that is not known may be the first.
        let number = known.map_or(0, |at| self.savepoints[at].number);
        self.savepoints.truncate(known.map_or(0, |at| at + 1));
        self.marks.retain(|mark| {
            mark.depth == 0 || mark.number <= number || !mark.is_undone_by_rollback(system)
        });
    }

    /// A transaction or savepoint has ended, and `open` are left.
    pub(super) fn end(&mut self, open: usize, is_rollback: bool, system: System) {
        self.savepoints.clear();
        self.marks.retain_mut(|mark| {
            let is_inside = mark.depth > open;
            mark.depth = mark.depth.min(open);
            !(is_inside && is_rollback && mark.is_undone_by_rollback(system))
        });
    }

    /// Whatever may have been set in a transaction is undone.
    pub(super) fn roll_back_all(&mut self, system: System) {
        self.marks
            .retain(|mark| !mark.is_undone_by_rollback(system));
    }

    /// What texts have locked by functions.
    pub(super) fn locks(&self) -> impl Iterator<Item = &str> {
        let is_lock = |mark: &&Mark| matches!(mark.item.kind, Kind::Lock | Kind::NamedLock);
        self.marks
            .iter()
            .filter(is_lock)
            .map(|mark| &*mark.item.label)
    }

    pub(super) fn ran_unseen(&mut self) {
        for mark in &mut self.marks {
            mark.ran_unseen = true;
        }
    }

    /// What is set. What would be undone with a transaction that is open is a part of that.
    pub(super) fn into_marks(self, is_inside: bool, system: System) -> Vec<Mark> {
        let mut marks = self.marks;
        marks.retain(|mark| !is_inside || mark.depth == 0 || !mark.is_undone_by_rollback(system));
        marks
    }
}

impl Mark {
    /// Whether `other` sets the same value: whether both are set by the same statement.
    fn is_set_by(&self, other: &Self) -> bool {
        if ptr::eq(self.tally, other.tally) {
            return ptr::eq(self.item, other.item);
        }
        self.tally.sql() == other.tally.sql()
    }

    /// Whether the database undoes it with the transaction in which it was set.
    fn is_undone_by_rollback(&self, system: System) -> bool {
        match system {
            System::Postgres => self.item.kind != Kind::Lock,
            System::Sqlite => self.item.kind == Kind::TempTable,
            System::MySql | System::Other => false,
        }
    }
}
