//! Records what the texts of statements do to the session of a handle's connection.

use std::sync::atomic::Ordering::Relaxed;

use super::session::{Mark, Session};
use super::{Handle, State};
use crate::pool_state::endpoint::System;
use crate::site::tally::Tally;
use crate::sql::{Effect, Ends, Item, Key, Kind, Undo};

impl Handle {
    /// Records what a statement has done to the session. `sets` is whether it has set an item for sure.
    #[cold]
    pub(crate) fn note_effects(&self, tally: &'static Tally, sets: impl Fn(&Item) -> bool) {
        if self.pool.is_none() {
            return;
        }
        let system = self.pool.endpoint.system;
        let mut state = self.state();
        for effect in tally.effects() {
            match effect {
                Effect::Sets(item) if sets(item) => state.note_set(item, tally, system),
                Effect::Undoes(undo) => state.note_undo(*undo),
                Effect::SetsSavepoint(key) => state.note_savepoint(*key),
                Effect::RollsBackTo(key) => state.note_return_to_savepoint(*key, system),
                Effect::Begins { .. } => state.note_begin(system),
                Effect::Ends { end, .. } => state.note_end_by_text(*end, system),
                Effect::Sets(_) | Effect::ReleasesSavepoint(_) => {}
            }
        }
        self.has_effects.store(true, Relaxed);
    }

    /// Whether a text may have left a transaction open, or something set.
    #[inline]
    pub(crate) fn may_leave_state(&self) -> bool {
        // Relaxed: only the task that uses the connection stores and loads it.
        self.has_effects.load(Relaxed)
    }

    /// Takes what is set on the connection.
    pub(crate) fn take_marks(&self) -> Vec<Mark> {
        let mut state = self.state();
        if state.was_used_unseen() {
            state.note_session_unseen();
        }
        let is_inside = state.open_transactions() > 0;
        let Some(session) = state.session.take() else {
            return Vec::new();
        };
        session.into_marks(is_inside, self.pool.endpoint.system)
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

    fn note_savepoint(&mut self, key: Key) {
        let session = self.session.get_or_insert_with(Box::<Session>::default);
        session.set_savepoint(key);
    }

    fn note_return_to_savepoint(&mut self, key: Key, system: System) {
        if let Some(session) = &mut self.session {
            session.return_to_savepoint(key, system);
        }
    }

    /// Records that a transaction or savepoint was rolled back or committed. It is no longer among the open ones.
    pub(super) fn note_end(&mut self, is_rollback: bool, system: System) {
        let open = self.open_transactions();
        if let Some(session) = &mut self.session {
            session.end(open, is_rollback, system);
        }
    }

    fn note_end_by_text(&mut self, end: Ends, system: System) {
        let is_rollback = end == Ends::Rollback;
        // A text has begun the transaction, before or after something was set.
        let begun_by_text = self.transactions.is_empty();
        if let Some(session) = &mut self.session
            && is_rollback
            && begun_by_text
        {
            session.roll_back_all(system);
        }
        self.note_end(is_rollback, system);
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
