//! Transactions that the texts of statements begin and end.

use super::begun::{Begun, WriteLock};
use super::{Handle, State};
use crate::pool_state::endpoint::System;
use crate::scope::context;
use crate::site::tally::Tally;
use crate::sql::{Effect, Ends, Key, Kind, Undo};

/// A transaction that a savepoint has begun is followed while it has at most this many savepoints.
const MOST_SAVEPOINTS: usize = 16;

impl Handle {
    /// Records that the server has ended the open transactions.
    pub(crate) fn note_end_of_all(&self) {
        let mut state = self.state();
        state.end_all(true, self.pool.endpoint.system);
        self.failure_may_be_over(&state);
    }

    /// A transaction as it is if the statement has just begun it.
    pub(super) fn begun_by(&self, tally: &'static Tally) -> impl Fn(&State) -> Begun {
        let place = tally.place().unwrap_or(self.place);
        let function = context::scope().map(|scope| scope.function());
        move |state| Begun {
            text: Some(tally),
            ..Begun::new(state.since, state.statements, place, None, function)
        }
    }
}

impl State {
    /// Records what a part of a text has done to transactions.
    pub(super) fn note_effect(
        &mut self,
        effect: &Effect,
        begun: impl Fn(&Self) -> Begun,
        system: System,
    ) {
        match effect {
            Effect::Begins { writes_at_once } => {
                self.note_begin(system);
                if !self.is_inside() || !system.begins_once() {
                    self.begin(begun(self));
                    let since = self.since;
                    if let Some(begun) = self.transactions.first_mut() {
                        begun.write_lock = writes_at_once.then(|| WriteLock::of_begin(since));
                    }
                }
            }
            Effect::Ends { end, chains } => {
                // The commit of a transaction that has failed is a rollback.
                let is_rollback = *end == Ends::Rollback || self.failure().is_some();
                self.end_all(is_rollback, system);
                if *chains {
                    self.begin(begun(self));
                }
            }
            Effect::SetsSavepoint(key) => {
                let begins = !self.is_inside();
                if begins && system.begins_at_savepoint() {
                    self.begin(begun(self));
                }
                self.set_savepoint(*key, begins);
            }
            Effect::ReleasesSavepoint(key) => self.release(*key, system),
            Effect::RollsBackTo(key) => self.roll_back_to(*key, system),
            Effect::CommitsInMySql if system.commits_on_ddl() => self.end_all(false, system),
            Effect::Sets(item) if item.kind == Kind::TableLock && system.commits_on_ddl() => {
                self.end_all(false, system);
            }
            // One of many texts that are not told apart. DISCARD ALL does not run in a transaction.
            Effect::Undoes(Undo::Everything) => self.forget_transaction(system),
            Effect::CommitsInMySql | Effect::Sets(_) | Effect::Undoes(_) => {}
        }
    }

    /// Whether a transaction is open that is followed.
    fn is_inside(&self) -> bool {
        !self.transactions.is_empty() && !self.transactions_over
    }

    /// The server has begun a transaction. Those that were open are over, or it has committed them.
    fn begin(&mut self, by_text: Begun) {
        self.transactions_over = false;
        if self.transactions.is_empty() || self.begun_by_text().is_some() {
            self.transactions.clear();
            self.transactions.push(by_text);
        } else {
            // `Transaction` values will end it.
            self.transactions.iter_mut().for_each(Begun::begin_anew);
        }
    }

    fn end_all(&mut self, is_rollback: bool, system: System) {
        if is_rollback && !self.is_inside() {
            // Where it began was not seen: before or after something was set.
            self.roll_back_all(system);
        }
        for begun in &mut self.transactions {
            begun.failure = None;
            begun.suspect = None;
        }
        self.end_transactions();
        self.note_end(is_rollback, system);
    }

    /// What has become of the open transaction is not known any more: whether one that a text has begun is open, and
    /// whether a failure was undone.
    pub(super) fn forget_transaction(&mut self, system: System) {
        if self.begun_by_text().is_some() {
            self.transactions.clear();
        }
        for begun in &mut self.transactions {
            begun.failure = None;
            begun.suspect = None;
        }
        // Whatever was set in it may be undone.
        self.roll_back_all(system);
    }

    /// `begins` is whether it has begun the transaction. What was written before is not undone by a return to it.
    fn set_savepoint(&mut self, key: Key, begins: bool) {
        self.note_savepoint(key);
        let Some(begun) = self.transactions.last_mut() else {
            return;
        };
        begun.wrote_before = begun.wrote_before.or(begun.wrote);
        if begun.text.is_some() && (begins || !begun.savepoints.is_empty()) {
            begun.savepoints.push(key);
            if begun.savepoints.len() > MOST_SAVEPOINTS {
                self.transactions.clear();
            }
        }
    }

    fn release(&mut self, key: Key, system: System) {
        let Some(begun) = self.transactions.first_mut() else {
            return;
        };
        if let Some(at) = begun.savepoints.iter().rposition(|it| *it == key) {
            begun.savepoints.truncate(at);
            if at == 0 {
                // It has begun the transaction, and its release commits that.
                self.end_all(false, system);
            }
        }
    }

    /// What was written since the savepoint is undone. Which savepoint it is is not known, so the first counts. An error
    /// since then is undone, too: the server would not find the savepoint otherwise.
    fn roll_back_to(&mut self, key: Key, system: System) {
        self.note_return_to_savepoint(key, system);
        for begun in &mut self.transactions {
            begun.failure = None;
        }
        if let Some(begun) = self.transactions.last_mut() {
            begun.wrote = begun.wrote_before;
            if let Some(at) = begun.savepoints.iter().rposition(|it| *it == key) {
                begun.savepoints.truncate(at + 1);
            }
        }
    }
}
