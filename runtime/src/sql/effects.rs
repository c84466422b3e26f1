//! What a text does to the session: transactions, savepoints, and state that stays on the connection.
//!
//! A text that can be read in several ways has no effect that would have to be undone.

mod reader;
#[cfg(test)]
mod tests;
mod transactions;

use std::hash::BuildHasher;

use rustc_hash::FxBuildHasher;

use reader::{Reader, upper};

/// The number of effects kept of a text. The first ones are forgotten.
const MOST: usize = 64;

/// Something that a text does to the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// BEGIN, START TRANSACTION.
    Begins {
        /// Whether SQLite takes its write lock at once: IMMEDIATE, EXCLUSIVE.
        writes_at_once: bool,
    },
    Ends {
        end: Ends,
        /// Whether the next transaction has begun: AND CHAIN.
        chains: bool,
    },
    /// SAVEPOINT. Outside of a transaction, it begins one in SQLite.
    SetsSavepoint(Key),
    /// RELEASE. In SQLite, releasing the savepoint that began the transaction commits it.
    ReleasesSavepoint(Key),
    /// ROLLBACK TO: what came after a savepoint. The transaction goes on.
    RollsBackTo(Key),
    Sets(Item),
    Undoes(Undo),
}

impl Effect {
    /// What it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        let label = match self {
            Self::Sets(item) => item.label.len(),
            _ => 0,
        };
        size_of::<Self>() + label
    }
}

/// How a text ends a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    /// COMMIT, END, PREPARE TRANSACTION.
    Commit,
    /// ROLLBACK, ABORT.
    Rollback,
}

/// State that a text sets, and that stays on the connection when the statement has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) kind: Kind,
    /// Words of the text, without a literal: `SET search_path`, `LISTEN jobs`, `pg_advisory_lock`.
    pub(crate) label: Box<str>,
    /// What is set. `None` if the text does not show it: `pg_advisory_lock($1)`.
    pub(crate) key: Option<Key>,
    /// Whether LOCAL was written: in PostgreSQL it ends with its transaction, in MySQL and MariaDB LOCAL means SESSION.
    pub(crate) local: bool,
    /// Whether the value is a parameter.
    pub(crate) bound: bool,
}

/// Kinds of state that stay on a connection. Where no system is named, the text works in one system alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A lock by a function: `pg_advisory_lock`, `GET_LOCK`.
    Lock,
    /// LOCK TABLES, FLUSH TABLES WITH READ LOCK. PostgreSQL's LOCK TABLE is none: it ends with its transaction.
    TableLock,
    /// SET, `set_config`.
    Setting,
    /// SET ROLE, SET SESSION AUTHORIZATION. RESET ALL leaves it.
    Role,
    /// USE.
    Database,
    Listen,
    /// A temporary table, view or sequence, in PostgreSQL, MySQL, MariaDB and SQLite.
    TempTable,
    /// A PRAGMA that changes the connection alone.
    Pragma,
    /// ATTACH.
    Attached,
}

/// What an effect takes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Undo {
    /// What has this key. `None` for one that the text does not show: `pg_advisory_unlock($1)`. A lock that was taken
    /// twice is then held once.
    One(Kind, Option<Key>),
    /// Everything of the kind: `UNLISTEN *`, RESET ALL, UNLOCK TABLES.
    All(Kind),
    /// DISCARD ALL.
    Everything,
}

/// What is set, as a hash: of a name in lower case, or of a name or number in a literal. It is unique among those of its
/// kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(u64);

impl Key {
    /// The key of a name, whatever its case.
    pub(crate) fn of(name: &str) -> Self {
        Self(FxBuildHasher.hash_one(name.to_lowercase()))
    }
}

/// What the text does to the session, in order. `None` for nearly all texts.
pub(crate) fn effects(sql: &str) -> Option<Box<[Effect]>> {
    let mut found = Found::default();
    let mut reader = Reader::new(sql);
    while reader.find_statement() {
        read_statement(&mut reader, &mut found);
        reader.take_rest();
    }
    if reader.is_unsure() {
        // What would undo these may be missing, or they may be in a literal.
        found
            .effects
            .retain(|effect| !matches!(effect, Effect::Begins { .. } | Effect::Sets(_)));
    }
    (!found.effects.is_empty()).then(|| found.effects.into())
}

/// The effects found so far.
#[derive(Default)]
struct Found {
    effects: Vec<Effect>,
}

impl Found {
    fn push(&mut self, effect: Effect) {
        if self.effects.len() == MOST {
            self.effects.remove(0);
        }
        self.effects.push(effect);
    }
}

fn read_statement(reader: &mut Reader<'_>, found: &mut Found) {
    let Some(word) = reader.word() else { return };
    match upper(word, &mut [0; 16]) {
        first @ ("BEGIN" | "START" | "COMMIT" | "END" | "ROLLBACK" | "ABORT" | "PREPARE"
        | "SAVEPOINT" | "RELEASE") => transactions::read(first, reader, found),
        "CREATE" if reader.creates_body() => reader.take_body(0),
        // The statement before was the first one of a body that is not known as such.
        "ELSE" | "ELSEIF" | "UNTIL" => found.effects.clear(),
        _ => {}
    }
}
