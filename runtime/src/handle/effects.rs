//! Records what the texts of statements do to the session of a handle's connection.

use std::sync::atomic::Ordering::Relaxed;

use super::begun::OpenTransaction;
use super::session::Mark;
use super::{Handle, State};
use crate::pool_state::endpoint::System;
use crate::site::tally::Tally;
use crate::sql::{Effect, Item, Key, Kind, Undo};

/// What texts have left on a connection.
#[derive(Debug)]
pub(crate) struct Left {
    pub(crate) open: Option<LeftOpen>,
    pub(crate) marks: Vec<Mark>,
}

/// A transaction that a text has begun and none has ended.
#[derive(Debug)]
pub(crate) struct LeftOpen {
    pub(crate) open: OpenTransaction,
    /// Whether the server refuses every statement in it.
    pub(crate) has_failed: bool,
    /// Whether the database may have rolled it back after an error.
    pub(crate) may_be_over: bool,
}

impl Handle {
    /// Records what a statement's text has done to the session, in order. `sets` is whether it has set an item for sure.
    #[cold]
    pub(crate) fn note_effects(
        &self,
        tally: &'static Tally,
        effects: &'static [Effect],
        sets: impl Fn(&Item) -> bool,
    ) {
        let system = self.pool.endpoint.system;
        let begun = self.begun_by(tally);
        let mut state = self.state();
        for effect in effects {
            state.note_effect(effect, &begun, system);
            match effect {
                Effect::Sets(item) if self.selects_own_database(item) => {
                    state.note_undo(Undo::All(Kind::Database));
                }
                Effect::Sets(item) if !self.pool.is_none() && sets(item) => {
                    state.note_set(item, tally, system);
                }
                Effect::Undoes(undo) => state.note_undo(*undo),
                _ => {}
            }
        }
        self.failure_may_be_over(&state);
        self.has_effects.store(true, Relaxed);
    }

    /// Whether the text selects the database that the pool's connections have anyway.
    fn selects_own_database(&self, item: &Item) -> bool {
        let namespace = self.pool.endpoint.namespace.as_deref();
        let selected = item.label.strip_prefix("USE ");
        item.kind == Kind::Database && selected.is_some() && selected == namespace
    }

    /// Records that it is not known whether a statement's text has done anything.
    #[cold]
    pub(crate) fn note_unknown_effects(&self, effects: &'static [Effect]) {
        let mut state = self.state();
        for effect in effects {
            if let Effect::Undoes(undo) = effect {
                state.note_undo(*undo);
            }
        }
        if effects.iter().any(Effect::is_of_transactions) {
            state.forget_transaction(self.pool.endpoint.system);
        }
        self.failure_may_be_over(&state);
        self.has_effects.store(true, Relaxed);
    }

    /// Whether a text may have left a transaction open, or something set.
    #[inline]
    pub(crate) fn may_leave_state(&self) -> bool {
        // Relaxed: only the task that uses the connection stores and loads it.
        self.has_effects.load(Relaxed)
    }

    /// Takes what texts have left open or set on the connection.
    pub(crate) fn take_left(&self) -> Left {
        let mut state = self.state();
        if state.was_used_unseen() {
            state.note_session_unseen();
        }
        let is_inside = state.open_transactions() > 0;
        let session = state.session.take();
        Left {
            open: state.take_open(),
            marks: session.map_or_else(Vec::new, |session| {
                session.into_marks(is_inside, self.pool.endpoint.system)
            }),
        }
    }

    /// Records that the connection is broken. What was set on it is gone with it.
    pub(crate) fn note_broken(&self) {
        self.state().session = None;
        self.has_effects.store(false, Relaxed);
        if !self.is_broken.swap(true, Relaxed) {
            self.pool.connections.broke();
        }
    }

    /// Whether a statement has shown that the connection is broken.
    pub(super) fn is_broken(&self) -> bool {
        self.is_broken.load(Relaxed)
    }

    /// The first statement that was sent on the handle.
    pub(crate) fn first_statement(&self) -> Option<&'static Tally> {
        self.state().first
    }
}

impl State {
    /// The number of transactions and savepoints that are open on the server.
    fn open_transactions(&self) -> usize {
        if self.transactions_over {
            0
        } else {
            self.transactions.len()
        }
    }

    /// The functions by which it has taken session locks.
    pub(super) fn session_locks(&self) -> Vec<String> {
        let locks = self.session.as_ref().map(|session| session.locks());
        locks.into_iter().flatten().map(str::to_owned).collect()
    }

    fn take_open(&mut self) -> Option<LeftOpen> {
        let begun = self.begun_by_text().filter(|_| !self.transactions_over)?;
        let left = LeftOpen {
            has_failed: begun.failure.is_some(),
            may_be_over: begun.suspect.is_some(),
            open: self.open_transaction()?,
        };
        self.transactions.clear();
        Some(left)
    }

    fn note_set(&mut self, item: &'static Item, tally: &'static Tally, system: System) {
        let (depth, statement) = (self.open_transactions(), self.statements);
        if stays(item, system, depth) {
            let session = self.session.get_or_insert_default();
            session.set(item, tally, depth, statement);
        }
    }

    fn note_undo(&mut self, undo: Undo) {
        if let Some(session) = &mut self.session {
            session.undo(undo);
        }
    }

    /// Records that a transaction has begun.
    pub(super) fn note_begin(&mut self, system: System) {
        // MySQL's BEGIN is an UNLOCK TABLES as well.
        if system == System::MySql {
            self.note_undo(Undo::All(Kind::TableLock));
        }
    }

    /// Records that a text has set a savepoint.
    pub(super) fn note_savepoint(&mut self, key: Key) {
        self.session.get_or_insert_default().set_savepoint(key);
    }

    /// Records that a text has rolled back to a savepoint.
    pub(super) fn note_return_to_savepoint(&mut self, key: Key, system: System) {
        if let Some(session) = &mut self.session {
            session.return_to_savepoint(key, system);
        }
    }

    /// Records that whatever was set in a transaction may be undone.
    pub(super) fn roll_back_all(&mut self, system: System) {
        if let Some(session) = &mut self.session {
            session.roll_back_all(system);
        }
    }

    /// Records that a transaction or savepoint was rolled back or committed. It is no longer among the open ones.
    pub(super) fn note_end(&mut self, is_rollback: bool, system: System) {
        let open = self.open_transactions();
        if let Some(session) = &mut self.session {
            session.end(open, is_rollback, system);
        }
    }

    /// Records that code which is not seen may have used the connection.
    pub(super) fn note_session_unseen(&mut self) {
        if let Some(session) = &mut self.session {
            session.ran_unseen();
        }
    }
}

/// Whether this stays set in this database until it is undone, where `depth` transactions and savepoints are open.
fn stays(item: &Item, system: System, depth: usize) -> bool {
    match system {
        System::Postgres => match item.kind {
            Kind::Setting | Kind::Role => !item.local,
            kind => matches!(kind, Kind::Lock | Kind::Listen | Kind::TempTable),
        },
        System::MySql => !matches!(
            item.kind,
            Kind::Lock | Kind::Listen | Kind::Pragma | Kind::Attached
        ),
        System::Sqlite => match item.kind {
            // In a transaction, this PRAGMA does nothing.
            Kind::Pragma => depth == 0 || item.key != Some(Key::of("foreign_keys")),
            kind => matches!(kind, Kind::TempTable | Kind::Attached),
        },
        System::Other => false,
    }
}
