//! SET, RESET and DISCARD.

use super::reader::{Reader, Value, upper};
use super::setting::{Setting, undo_of};
use super::usual::is_one_of;
use super::{Found, Kind, Undo, functions, label};
use crate::sql::tokens::Token;

/// Words after SET that set nothing that stays, or nothing of this session.
const SETS_NOTHING: [&str; 6] = [
    "CONSTRAINTS",
    "PASSWORD",
    "STATEMENT",
    "DEFAULT",
    "RESOURCE",
    // What random() returns next.
    "SEED",
];
const PATH: &str = "search_path";
/// The variables of the next transaction, if `@@` stands before them without a scope.
const OF_NEXT_TRANSACTION: [&str; 4] = [
    "transaction_isolation",
    "transaction_read_only",
    "tx_isolation",
    "tx_read_only",
];

/// For whom something is set.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Session,
    /// In PostgreSQL the transaction, in MySQL and MariaDB the session.
    Local,
    /// The server.
    Global,
}

impl Scope {
    fn of(word: &str) -> Option<Self> {
        if word.eq_ignore_ascii_case("SESSION") {
            Some(Self::Session)
        } else if word.eq_ignore_ascii_case("LOCAL") {
            Some(Self::Local)
        } else {
            is_one_of(&["GLOBAL", "PERSIST", "PERSIST_ONLY"], word).then_some(Self::Global)
        }
    }
}

/// Reads what follows SET.
pub(super) fn set(reader: &mut Reader<'_>, found: &mut Found) {
    let mut set = Set {
        scope: None,
        reader,
        found,
    };
    set.first();
    // MySQL sets several variables in one statement. In PostgreSQL, a comma belongs to the value.
    while let Some(token) = set.reader.take() {
        if token == Token::Punct(',') {
            set.further();
        }
    }
}

/// A position behind SET.
struct Set<'r, 'a> {
    /// The last word of this kind. In MySQL it also holds for the variables that follow.
    scope: Option<Scope>,
    reader: &'r mut Reader<'a>,
    found: &'r mut Found,
}

impl Set<'_, '_> {
    fn first(&mut self) {
        self.take_scope();
        let reader = &mut *self.reader;
        if reader.is_at_one_of(&SETS_NOTHING) {
            reader.take_rest();
        } else if reader.takes("TRANSACTION") {
            self.transaction();
        } else if reader.takes("CHARACTERISTICS") {
            reader.takes_all(&["AS", "TRANSACTION"]);
            self.modes("SET SESSION CHARACTERISTICS", "default_transaction");
        } else if reader.takes("AUTHORIZATION") {
            self.value("SET SESSION AUTHORIZATION", "session_authorization");
        } else if reader.takes("ROLE") {
            self.takes_operator();
            self.value("SET ROLE", "role");
        } else if reader.takes("SCHEMA") {
            self.value("SET SCHEMA", PATH);
        } else if reader.takes_all(&["TIME", "ZONE"]) {
            self.time_zone();
        } else {
            self.further();
        }
    }

    /// What may also follow a comma.
    fn further(&mut self) {
        self.take_scope();
        if self.reader.takes("NAMES") {
            self.value("SET NAMES", "client_encoding");
        } else if self.reader.takes("CHARSET") || self.reader.takes_all(&["CHARACTER", "SET"]) {
            self.value("SET CHARACTER SET", "character_set");
        } else {
            self.variable();
        }
    }

    fn take_scope(&mut self) {
        while let Some(Token::Word(word)) = self.reader.peek()
            && let Some(scope) = Scope::of(word)
        {
            self.reader.take();
            // `SET LOCAL SESSION AUTHORIZATION x`
            let is_local = self.scope == Some(Scope::Local) && scope == Scope::Session;
            self.scope = if is_local { self.scope } else { Some(scope) };
        }
    }

    /// What follows TRANSACTION. Without a scope, it holds for one transaction.
    fn transaction(&mut self) {
        if self.scope.is_some() {
            self.modes("SET SESSION TRANSACTION", "transaction");
        } else {
            self.reader.take_rest();
        }
    }

    /// The modes of the transactions to come.
    fn modes(&mut self, label: &str, prefix: &str) {
        while let Some(token) = self.reader.take() {
            let Token::Word(word) = token else { continue };
            let (mode, is_usual) = match upper(word, &mut [0; 16]) {
                "ISOLATION" => ("isolation", false),
                "READ" if self.reader.takes("WRITE") => ("read_only", true),
                "READ" if self.reader.takes("ONLY") => ("read_only", false),
                "NOT" if self.reader.takes("DEFERRABLE") => ("deferrable", true),
                "DEFERRABLE" => ("deferrable", false),
                _ => continue,
            };
            let name = format!("{prefix}_{mode}");
            self.push(Setting::new(label, &name, false, is_usual));
        }
    }

    /// What follows `TIME ZONE`.
    fn time_zone(&mut self) {
        const LABEL: &str = "SET TIME ZONE";
        const NAME: &str = "timezone";
        if self.reader.takes("LOCAL") {
            self.push(Setting::new(LABEL, NAME, false, true));
        } else {
            self.value(LABEL, NAME);
        }
    }

    /// `=`, `:=` or TO.
    fn takes_operator(&mut self) -> bool {
        self.reader.takes_sign(':');
        self.reader.takes_sign('=') || self.reader.takes("TO")
    }

    /// A variable and its value.
    fn variable(&mut self) {
        let is_system = self.reader.takes_sign('@');
        if is_system && !self.reader.takes_sign('@') {
            return self.user_variable();
        }
        let Some(mut name) = self.variable_name() else {
            return;
        };
        let mut scope = self.scope;
        if is_system {
            let (written, rest) = name.split_once('.').unwrap_or(("", &name));
            scope = Scope::of(written);
            if scope.is_none() && is_one_of(&OF_NEXT_TRANSACTION, rest) {
                return;
            }
            name = rest.to_owned();
        }
        if self.takes_operator() && scope != Some(Scope::Global) {
            let outer = std::mem::replace(&mut self.scope, scope);
            self.value(&label("SET", &name), &name);
            self.scope = outer;
        }
    }

    /// A name with its dots.
    fn variable_name(&mut self) -> Option<String> {
        let mut name = self.reader.name()?.to_owned();
        while self.reader.takes_sign('.') {
            name.push('.');
            name.push_str(self.reader.name()?);
        }
        Some(name)
    }

    /// What follows `@`. The variable itself is none of the session's settings, but its value may take a lock.
    fn user_variable(&mut self) {
        self.reader.take();
        if self.takes_operator() {
            functions::read_expression(self.reader, self.found);
        }
    }

    /// The value of a setting.
    fn value(&mut self, label: &str, name: &str) {
        let setting = if is_one_of(&[PATH], name) {
            let is_usual = self.is_usual_path();
            Setting::new(label, name, false, is_usual)
        } else {
            Setting::of_value(label, name, &self.reader.value())
        };
        self.push(setting);
    }

    /// Takes a search path, and returns whether it is `public` or `"$user", public`.
    fn is_usual_path(&mut self) -> bool {
        let mut schema = self.reader.value();
        let is_user = |schema: &Value<'_>| schema.plain().is_some_and(|it| it.text == "$user");
        if is_user(&schema) && self.reader.takes_sign(',') {
            schema = self.reader.value();
        }
        let is_last = self.reader.peek().is_none();
        self.reader.take_rest();
        let setting = Setting::of_value("", PATH, &schema);
        is_last && setting.is_usual
    }

    fn push(&mut self, mut setting: Setting) {
        match self.scope {
            Some(Scope::Global) => return,
            // In PostgreSQL, it puts nothing back for longer than its transaction.
            Some(Scope::Local) => {
                setting.item.local = true;
                setting.is_usual = false;
            }
            Some(Scope::Session) | None => {}
        }
        self.found.push(setting.effect());
    }
}

/// Reads what follows RESET. RESET ALL leaves the role.
pub(super) fn reset(reader: &mut Reader<'_>, found: &mut Found) {
    if reader.takes("ALL") {
        return found.undoes(Undo::All(Kind::Setting));
    }
    let name = if reader.takes_all(&["SESSION", "AUTHORIZATION"]) {
        Some("session_authorization")
    } else if reader.takes_all(&["TIME", "ZONE"]) {
        Some("timezone")
    } else {
        reader.name()
    };
    if let Some(name) = name {
        found.undoes(undo_of(name));
    }
}

/// Reads what follows DISCARD.
pub(super) fn discard(reader: &mut Reader<'_>, found: &mut Found) {
    if reader.takes("ALL") {
        found.undoes(Undo::Everything);
    } else if reader.takes_one_of(&["TEMP", "TEMPORARY"]) {
        found.undoes(Undo::All(Kind::TempTable));
    }
}
