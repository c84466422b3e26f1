//! What a text does to the session: transactions, savepoints, and state that stays on the connection.
//!
//! Nothing is set or begun by a text that databases may read in different ways, nor by one that cannot be read for sure.

mod body;
mod functions;
mod names;
mod pragmas;
mod reader;
mod set;
mod setting;
mod tables;
#[cfg(test)]
mod tests;
mod transactions;
mod usual;

use std::hash::BuildHasher;
use std::time::Duration;

use rustc_hash::FxBuildHasher;

use super::tokens::Token;
use reader::{Reader, upper};

/// The number of effects kept of a text. The first ones are forgotten.
const MOST: usize = 64;
/// A label leaves out longer names.
const LONGEST_NAME: usize = 64;

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
    /// A statement before which MySQL commits, other than those that change the schema or lock tables.
    CommitsInMySql,
    Sets(Item),
    Undoes(Undo),
}

impl Effect {
    /// Whether it may begin or end a transaction.
    pub(crate) fn is_of_transactions(&self) -> bool {
        !matches!(self, Self::Sets(_) | Self::Undoes(_))
    }

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
    /// Whether PostgreSQL ends it with the transaction: `SET LOCAL`, `SET SESSION TRANSACTION`. In MySQL and MariaDB, it
    /// is the session's.
    pub(crate) local: bool,
    /// Whether the value is a parameter.
    pub(crate) bound: bool,
    pub(crate) condition: Condition,
}

impl Item {
    fn new(kind: Kind, label: impl Into<Box<str>>, key: Option<Key>) -> Self {
        Self {
            kind,
            label: label.into(),
            key,
            local: false,
            bound: false,
            condition: Condition::Ok,
        }
    }

    /// Whether a statement that has ended well has set it for sure.
    pub(crate) fn is_set_by(&self, time: Duration, rows: u64) -> bool {
        match self.condition {
            Condition::Ok => true,
            Condition::Row => rows > 0,
            Condition::Within(limit) => time < limit,
            Condition::Granted | Condition::Reached => false,
        }
    }
}

/// What must be true so that a statement that has ended well has set something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Nothing more.
    Ok,
    /// It has returned a row: `SELECT set_config('a.b', c, false) FROM d`.
    Row,
    /// It took less time than the lock was waited for.
    Within(Duration),
    /// The lock was granted, which the answer alone shows: `pg_try_advisory_lock`.
    Granted,
    /// A part of the text was reached: a branch of CASE, the end of a condition.
    Reached,
}

/// Kinds of state that stay on a connection.
///
/// A text fails in a database that does not have the kind, except where the kind says more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// PostgreSQL's lock by a function: `pg_advisory_lock`.
    Lock,
    /// MySQL's and MariaDB's lock by a function: `GET_LOCK`. Elsewhere it is a function of the user's.
    NamedLock,
    /// LOCK TABLES, FLUSH TABLES WITH READ LOCK. PostgreSQL's LOCK TABLE is none: it ends with its transaction.
    TableLock,
    /// SET, `set_config`.
    Setting,
    /// SET ROLE, SET SESSION AUTHORIZATION. RESET ALL leaves it.
    Role,
    /// USE.
    Database,
    Listen,
    /// A temporary table, view, sequence or trigger.
    TempTable,
    /// A PRAGMA that changes the connection alone.
    Pragma,
    /// ATTACH.
    Attached,
}

impl Kind {
    /// Whether it keeps other connections from something.
    pub(crate) fn is_lock(self) -> bool {
        matches!(self, Self::Lock | Self::NamedLock | Self::TableLock)
    }

    /// Whether it has one value of several: the last that was set.
    pub(crate) fn is_setting(self) -> bool {
        matches!(
            self,
            Self::Setting | Self::Role | Self::Database | Self::Pragma
        )
    }
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
    effects_of_first(usize::MAX, sql)
}

/// What the first statements of the text do, this many.
pub(crate) fn effects_of_first(statements: usize, sql: &str) -> Option<Box<[Effect]>> {
    let mut found = Found::default();
    let mut reader = Reader::new(sql);
    for _ in 0..statements {
        if !reader.find_statement() {
            break;
        }
        found.statement = found.effects.len();
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

/// Whether the text has several statements.
pub(crate) fn is_several(sql: &str) -> bool {
    let mut reader = Reader::new(sql);
    reader.find_statement() && {
        reader.take_rest();
        reader.find_statement()
    }
}

/// Whether the text begins a transaction of SQLite that has the lock for writing from its beginning.
pub(crate) fn locks_for_writing(sql: &str) -> bool {
    let mut reader = Reader::new(sql);
    reader.find_statement()
        && reader.takes("BEGIN")
        && (reader.takes("IMMEDIATE") || reader.takes("EXCLUSIVE"))
}

/// Whether the text is one statement that has SQLite roll the transaction back at a conflict: `INSERT OR ROLLBACK`.
pub(crate) fn rolls_back_on_conflict(sql: &str) -> bool {
    let mut reader = Reader::new(sql);
    let mut found = false;
    while let Some(word) = reader.take() {
        let is_write = matches!(word, Token::Word(word) if ["INSERT", "UPDATE"].iter().any(|it| word.eq_ignore_ascii_case(it)));
        found |= is_write && reader.takes("OR") && reader.takes("ROLLBACK");
    }
    found && !reader.find_statement()
}

/// Whether it is worth looking for effects: a single statement that writes rows has none, however long it is.
pub(crate) fn may_have_effects(sql: &str) -> bool {
    const WRITE: [&str; 4] = ["INSERT", "UPDATE", "DELETE", "REPLACE"];
    let is_end = |c: char| c == ';' || c.is_whitespace();
    let sql = sql.trim_matches(is_end);
    let first = sql.split(|c: char| !c.is_ascii_alphabetic()).next();
    let writes = first.is_some_and(|first| WRITE.iter().any(|it| it.eq_ignore_ascii_case(first)));
    !writes || sql.contains(';')
}

/// The effects found so far.
#[derive(Default)]
struct Found {
    effects: Vec<Effect>,
    /// Where the effects of the statement begin.
    statement: usize,
}

impl Found {
    fn push(&mut self, effect: Effect) {
        if self.effects.len() == MOST {
            self.effects.remove(0);
            self.statement = self.statement.saturating_sub(1);
        }
        self.effects.push(effect);
    }

    fn sets(&mut self, item: Item) {
        self.push(Effect::Sets(item));
    }

    fn undoes(&mut self, undo: Undo) {
        self.push(Effect::Undoes(undo));
    }

    /// What the statement has set so far.
    fn items(&mut self) -> impl Iterator<Item = &mut Item> {
        let of_statement = self.effects[self.statement..].iter_mut();
        of_statement.filter_map(|effect| match effect {
            Effect::Sets(item) => Some(item),
            _ => None,
        })
    }
}

/// Words, and the name behind them unless it is too long.
fn label(words: &str, name: &str) -> String {
    if name.len() > LONGEST_NAME {
        return words.to_owned();
    }
    format!("{words} {name}")
}

fn read_statement(reader: &mut Reader<'_>, found: &mut Found) {
    let Some(word) = reader.word() else {
        // `(SELECT …) UNION …`
        return functions::read(reader, found);
    };
    match upper(word, &mut [0; 16]) {
        first @ ("BEGIN" | "START" | "COMMIT" | "END" | "ROLLBACK" | "ABORT" | "PREPARE"
        | "SAVEPOINT" | "RELEASE") => transactions::read(first, reader, found),
        "SELECT" => functions::read_query(reader, found),
        "WITH" => functions::read_with(reader, found),
        "INSERT" | "UPDATE" | "DELETE" | "REPLACE" | "MERGE" | "VALUES" | "DO" | "TABLE"
        | "CALL" => functions::read(reader, found),
        "SET" => set::set(reader, found),
        "RESET" => set::reset(reader, found),
        "DISCARD" => set::discard(reader, found),
        "CREATE" => tables::create(reader, found),
        "DROP" => tables::drop(reader, found),
        "ALTER" => tables::alter(reader, found),
        "LOCK" => tables::lock(reader, found),
        "FLUSH" => tables::flush(reader, found),
        "GRANT" | "REVOKE" | "RENAME" => found.push(Effect::CommitsInMySql),
        "ANALYZE" | "CHECK" | "OPTIMIZE" | "REPAIR" => tables::maintain(reader, found),
        "UNLOCK" => tables::unlock(reader, found),
        "LISTEN" => names::listen(reader, found),
        "UNLISTEN" => names::unlisten(reader, found),
        "USE" => names::use_database(reader, found),
        "ATTACH" => names::attach(reader, found),
        "DETACH" => names::detach(reader, found),
        "PRAGMA" => pragmas::read(reader, found),
        // The statements before it were part of a body that is not known as such.
        "ELSE" | "ELSEIF" | "UNTIL" => found.effects.clear(),
        _ => {}
    }
}
