//! Calls of functions that change the session: locks, and `set_config`.

use std::time::Duration;

use super::reader::{Qualified, Reader, Value, upper};
use super::setting::Setting;
use super::usual::is_one_of;
use super::{Condition, Effect, Found, Item, Key, Kind, Undo, tables};
use crate::sql::tokens::Token;

/// What a function does.
#[derive(Clone, Copy)]
enum Does {
    /// Waits until it has the lock.
    Lock,
    /// Its answer alone shows whether it has the lock.
    TryLock,
    /// Its second argument is the time after which it gives up.
    LockWithin,
    Unlock(Kind),
    UnlockAll(Kind),
    SetConfig,
}

/// The functions, as they are shown.
const FUNCTIONS: [(&str, Does); 11] = [
    ("pg_advisory_lock", Does::Lock),
    ("pg_advisory_lock_shared", Does::Lock),
    ("pg_try_advisory_lock", Does::TryLock),
    ("pg_try_advisory_lock_shared", Does::TryLock),
    ("pg_advisory_unlock", Does::Unlock(Kind::Lock)),
    ("pg_advisory_unlock_shared", Does::Unlock(Kind::Lock)),
    ("pg_advisory_unlock_all", Does::UnlockAll(Kind::Lock)),
    ("GET_LOCK", Does::LockWithin),
    ("RELEASE_LOCK", Does::Unlock(Kind::NamedLock)),
    ("RELEASE_ALL_LOCKS", Does::UnlockAll(Kind::NamedLock)),
    ("set_config", Does::SetConfig),
];

/// The functions that compute their first argument, and the others only as its value asks.
const LAZY: [&str; 5] = ["IF", "IFNULL", "COALESCE", "NVL", "NVL2"];

/// Reads the rest of a statement.
pub(super) fn read(reader: &mut Reader<'_>, found: &mut Found) {
    Scan::of(Part::Statement).read(reader, found);
}

/// Reads the rest of a query, which may make a table of its rows.
pub(super) fn read_query(reader: &mut Reader<'_>, found: &mut Found) {
    Scan::of(Part::Query).read(reader, found);
}

/// Reads the rest of a query with common table expressions, which run only if something selects from them.
pub(super) fn read_with(reader: &mut Reader<'_>, found: &mut Found) {
    Scan::of(Part::With).read(reader, found);
}

/// Reads an expression, up to a comma.
pub(super) fn read_expression(reader: &mut Reader<'_>, found: &mut Found) {
    Scan::of(Part::Expression).read(reader, found);
}

/// What is read.
#[derive(PartialEq, Eq)]
enum Part {
    Statement,
    Query,
    With,
    Expression,
}

/// The position in it.
struct Scan {
    part: Part,
    /// The number of open parentheses.
    parentheses: u32,
    /// The number of CASE without END.
    cases: u32,
    /// The open calls of functions that may leave out arguments.
    lazy_calls: Vec<LazyCall>,
    /// Whether there was a condition, so that what follows may not be reached.
    has_condition: bool,
    has_from: bool,
    /// Whether the next INTO is that of INSERT.
    inserts: bool,
}

struct LazyCall {
    /// The number of open parentheses, with its own.
    parentheses: u32,
    /// Whether its first argument has ended.
    may_leave_out: bool,
}

impl Scan {
    fn of(part: Part) -> Self {
        Self {
            part,
            parentheses: 0,
            cases: 0,
            lazy_calls: Vec::new(),
            has_condition: false,
            has_from: false,
            inserts: false,
        }
    }

    fn read(mut self, reader: &mut Reader<'_>, found: &mut Found) {
        while let Some(token) = reader.peek() {
            let is_outside = self.parentheses == 0;
            if is_outside && self.part == Part::Expression && token == Token::Punct(',') {
                return;
            }
            reader.take();
            match token {
                Token::Punct(sign) => self.sign(sign),
                Token::Literal(_) => {}
                Token::Word(_) | Token::Quoted(_) => {
                    let called = if reader.is_at_sign('(') {
                        function(token)
                    } else {
                        None
                    };
                    if let Some((name, does)) = called {
                        self.call(name, does, reader, found);
                    } else if let Token::Word(word) = token {
                        self.word(word, reader, found);
                    }
                }
            }
        }
        if self.part == Part::With && !self.has_from {
            condition_all(found, |_| Condition::Reached);
        }
    }

    fn sign(&mut self, sign: char) {
        let open = self.parentheses;
        let innermost = self.lazy_calls.last_mut();
        let lazy_call = innermost.filter(|call| call.parentheses == open);
        match (sign, lazy_call) {
            ('(', _) => self.parentheses += 1,
            (')', lazy_call) => {
                if lazy_call.is_some() {
                    self.lazy_calls.pop();
                }
                self.parentheses = open.saturating_sub(1);
            }
            (',', Some(call)) => call.may_leave_out = true,
            _ => {}
        }
    }

    fn word(&mut self, word: &str, reader: &mut Reader<'_>, found: &mut Found) {
        match upper(word, &mut [0; 16]) {
            lazy if LAZY.contains(&lazy) && reader.is_at_sign('(') => {
                self.lazy_calls.push(LazyCall {
                    parentheses: self.parentheses + 1,
                    may_leave_out: false,
                });
            }
            "CASE" => self.cases += 1,
            "END" => self.cases = self.cases.saturating_sub(1),
            "WHERE" | "HAVING" | "ON" => {
                self.has_condition = true;
                if self.parentheses == 0 {
                    condition_all(found, for_each_row);
                }
            }
            "INSERT" | "MERGE" => self.inserts = true,
            "REPLACE" if !reader.is_at_sign('(') => self.inserts = true,
            "INTO" => {
                let is_of_query = !std::mem::take(&mut self.inserts);
                let is_query = matches!(self.part, Part::Query | Part::With);
                if is_of_query && is_query && self.parentheses == 0 {
                    tables::select_into(reader, found);
                }
            }
            "FROM" if self.parentheses == 0 => {
                self.has_from = true;
                condition_all(found, for_each_row);
            }
            // `LIMIT 0`
            "LIMIT" | "OFFSET" | "FETCH" if self.parentheses == 0 => {
                condition_all(found, for_each_row);
            }
            _ => {}
        }
    }

    /// Reads a call, from its opening parenthesis.
    fn call(&self, name: &'static str, does: Does, reader: &mut Reader<'_>, found: &mut Found) {
        let arguments = arguments(reader);
        let mut item = match does {
            Does::Unlock(kind) => return found.undoes(Undo::One(kind, lock_key(&arguments, kind))),
            Does::UnlockAll(kind) => return found.undoes(Undo::All(kind)),
            Does::SetConfig => match set_config(name, &arguments) {
                Some(Effect::Sets(item)) => item,
                Some(effect) => return found.push(effect),
                None => return,
            },
            Does::Lock => lock(Kind::Lock, name, &arguments, Condition::Ok),
            Does::TryLock => lock(Kind::Lock, name, &arguments, Condition::Granted),
            Does::LockWithin => {
                let condition = granted_within(arguments.get(1));
                lock(Kind::NamedLock, name, &arguments[..1], condition)
            }
        };
        if self.cases > 0 || self.has_condition || self.may_be_left_out() {
            item.condition = Condition::Reached;
        }
        found.sets(item);
    }

    fn may_be_left_out(&self) -> bool {
        self.lazy_calls.iter().any(|call| call.may_leave_out)
    }
}

/// The function of that name, if it is one of the databases' own.
fn function(token: Token<'_>) -> Option<(&'static str, Does)> {
    let Qualified { schema, name } = Qualified::of(token)?;
    let function = FUNCTIONS
        .iter()
        .find(|(it, _)| it.eq_ignore_ascii_case(name))?;
    let is_own = schema.is_none_or(|schema| schema.eq_ignore_ascii_case("pg_catalog"));
    is_own.then_some(*function)
}

/// Changes the conditions of what the statement has called so far.
fn condition_all(found: &mut Found, change: impl Fn(Condition) -> Condition) {
    for item in found.items().filter(|item| item.kind != Kind::TempTable) {
        item.condition = change(item.condition);
    }
}

/// The condition of what is called for each row.
fn for_each_row(condition: Condition) -> Condition {
    match condition {
        Condition::Ok | Condition::Row => Condition::Row,
        Condition::Within(_) | Condition::Granted => Condition::Granted,
        Condition::Reached => Condition::Reached,
    }
}

/// Takes the arguments of a call, with its parentheses.
fn arguments<'a>(reader: &mut Reader<'a>) -> Vec<Value<'a>> {
    /// No function has more.
    const MOST: usize = 3;
    reader.takes_sign('(');
    let mut arguments = Vec::new();
    loop {
        let value = reader.value();
        if arguments.len() < MOST {
            arguments.push(value);
        }
        if !reader.takes_sign(',') {
            break;
        }
    }
    reader.takes_sign(')');
    arguments
}

/// What a lock's arguments name. `None` if the text does not show all of them.
fn lock_key(arguments: &[Value<'_>], kind: Kind) -> Option<Key> {
    let mut key = String::new();
    for argument in arguments {
        let plain = argument.plain()?;
        // In MySQL, a text in double quotes is a literal.
        if plain.is_name && kind != Kind::NamedLock {
            return None;
        }
        let sign = if plain.is_negative { ",-" } else { "," };
        key.extend([sign, plain.text]);
    }
    Some(Key::of(&key))
}

fn lock(kind: Kind, name: &str, arguments: &[Value<'_>], condition: Condition) -> Item {
    Item {
        bound: arguments.iter().any(|argument| argument.is_bound),
        condition,
        ..Item::new(kind, name, lock_key(arguments, kind))
    }
}

/// When a lock was granted that is waited for up to this number of seconds. Below 0, MySQL waits without a limit, and
/// MariaDB does not take the lock.
fn granted_within(limit: Option<&Value<'_>>) -> Condition {
    let Some(limit) = limit
        .and_then(Value::plain)
        .filter(|limit| !limit.is_negative)
    else {
        return Condition::Granted;
    };
    let seconds = limit.text.parse().unwrap_or(0.0);
    match Duration::try_from_secs_f64(seconds) {
        Ok(limit) if !limit.is_zero() => Condition::Within(limit),
        Ok(_) | Err(_) => Condition::Granted,
    }
}

/// `set_config(name, value, is_local)`.
fn set_config(function: &str, arguments: &[Value<'_>]) -> Option<Effect> {
    let argument = |name: &str, position: usize| {
        let is_name = |value: &&Value<'_>| {
            let given = value.argument_name();
            given.is_some_and(|given| given.eq_ignore_ascii_case(name))
        };
        let by_name = arguments.iter().find(is_name);
        let by_position = || {
            let value = arguments.get(position)?;
            value.argument_name().is_none().then_some(value)
        };
        by_name.or_else(by_position)
    };
    let is_local = argument("is_local", 2)?.plain()?;
    if !is_one_of(&["false", "f", "off", "0", "no", "n"], is_local.text) {
        return None;
    }
    let name = argument("setting_name", 0)?.plain();
    let value = argument("new_value", 1)?;
    let Some(name) = name.filter(|name| !name.is_name) else {
        return Some(Effect::Sets(Item {
            bound: value.is_bound,
            ..Item::new(Kind::Setting, function, None)
        }));
    };
    Some(Setting::of_value(function, name.text, value).effect())
}
