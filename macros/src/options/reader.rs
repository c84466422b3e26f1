//! Turns the entries of an attribute into options.
//!
//! All validation that needs a single attribute and no item is done here.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;

use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::Parser;
use syn::{LitInt, LitStr, Path};

use super::amount::{self, Amount};
use super::{INHERITED, LAST, LAST_ON_ENTRY_POINT, Level, Limit, Options, Order, Place};
use crate::errors::Errors;
use crate::lints::{Lint, Unit, nearest};
use crate::parse::{Entry, Value, entries};

/// The options that are not named after a lint.
const WORDS: [&str; 9] = [
    "name",
    "skip",
    "root",
    "max_queries",
    "returns_handle",
    "allow",
    "warn",
    "deny",
    "crate",
];

pub(super) fn read(entries: Vec<Entry>, errors: &mut Errors) -> Options {
    let mut reader = Reader {
        errors,
        options: Options {
            place: Place::OnItem,
            ..Options::default()
        },
        seen: HashMap::new(),
        ranks: BTreeMap::new(),
    };
    for entry in entries {
        reader.entry(&entry);
    }
    let mut options = reader.options;
    if options.skip {
        for word in options.words.iter().filter(|word| *word != "skip") {
            let message = format!("`{word}` has no effect beside `skip`; remove one of the two");
            errors.at(word, message);
        }
    }
    if options.order != Order::AsWritten {
        // The attribute wrote these options itself. Some are inherited, and need not apply to this item.
        options.words.clear();
    }
    options
}

struct Reader<'e> {
    errors: &'e mut Errors,
    options: Options,
    /// The options read so far. Options that set the same thing share a key.
    seen: HashMap<String, Ident>,
    /// How specifically the level of a lint was set: 0 by `all`, 1 by another group, 2 by the lint's own name.
    ranks: BTreeMap<Lint, u8>,
}

impl Reader<'_> {
    fn entry(&mut self, entry: &Entry) {
        let Entry { word, value } = entry;
        let name = word.to_string();
        self.options.words.push(word.clone());
        match name.as_str() {
            "allow" => return self.levels("allow", word, value),
            "warn" => return self.levels("warn", word, value),
            "deny" => return self.levels("deny", word, value),
            _ => {}
        }
        if !self.is_new(word, &name) {
            return;
        }
        match name.as_str() {
            "skip" => self.options.skip = self.flag(word, value),
            "root" => self.options.root = self.flag(word, value),
            "returns_handle" => self.options.returns_handle = self.flag(word, value),
            INHERITED => self.options.place = Place::Around,
            LAST => self.options.order = Order::Last,
            LAST_ON_ENTRY_POINT => self.options.order = Order::LastOnEntryPoint,
            "name" => self.options.name = self.string(word, value, "exams.find"),
            "crate" => self.options.krate = self.path(word, value),
            "max_queries" => self.limit(Lint::query_budget(), word, value),
            _ => match Lint::named(&name) {
                Some(lint) => self.limit(lint, word, value),
                None => self.unknown_option(word, &name),
            },
        }
    }

    /// Whether no earlier option sets the same thing. Otherwise adds an error.
    fn is_new(&mut self, word: &Ident, name: &str) -> bool {
        let same = if name == "max_queries" {
            Lint::query_budget().name()
        } else {
            name
        };
        match self.seen.insert(same.to_owned(), word.clone()) {
            None => true,
            Some(before) if before == *word => {
                self.error(word, format!("`{word}` is given twice; remove one"));
                false
            }
            Some(before) => {
                let message =
                    format!("`{word}` sets the same limit as `{before}`; remove one of the two");
                self.error(word, message);
                false
            }
        }
    }

    fn unknown_option(&mut self, word: &Ident, name: &str) {
        let message = match nearest(name, WORDS.into_iter().chain(Lint::names())) {
            Some(near) => format!("unknown option `{name}`; did you mean `{near}`?"),
            None if Lint::group(name).is_some() => {
                format!("`{name}` is a group of lints; write `allow({name})`")
            }
            None => format!(
                "unknown option `{name}`; `#[track]` takes {}, and the limit of a lint, as in `held_idle = \"60s\"`",
                listed(WORDS.into_iter()),
            ),
        };
        self.error(word, message);
    }

    fn flag(&mut self, word: &Ident, value: &Value) -> bool {
        let message = format!("`{word}` takes no value; write `{word}`");
        match value {
            Value::None => {}
            Value::Assigned(_) | Value::List(_) => self.error(value.tokens_or(word), message),
        }
        true
    }

    /// Parses a value that is exactly one `T`. For anything else, adds the error `remedy`.
    fn value<T: syn::parse::Parse>(
        &mut self,
        word: &Ident,
        value: &Value,
        remedy: &str,
    ) -> Option<T> {
        if let Value::Assigned(tokens) = value
            && let Ok(parsed) = syn::parse2(tokens.clone())
        {
            return Some(parsed);
        }
        self.error(value.tokens_or(word), remedy);
        None
    }

    fn string(&mut self, word: &Ident, value: &Value, example: &str) -> Option<LitStr> {
        let remedy = format!("`{word}` takes a string; write `{word} = \"{example}\"`");
        let text: LitStr = self.value(word, value, &remedy)?;
        if text.value().trim().is_empty() {
            let message = format!("`{word}` is empty; write `{word} = \"{example}\"`");
            self.error(&text, message);
            return None;
        }
        Some(text)
    }

    fn path(&mut self, word: &Ident, value: &Value) -> Option<Path> {
        if let Value::Assigned(tokens) = value
            && let Ok(path) = Path::parse_mod_style.parse2(tokens.clone())
        {
            return Some(path);
        }
        let remedy = "`crate` takes the path of sqlx-leash; write `crate = ::sqlx`";
        self.error(value.tokens_or(word), remedy);
        None
    }

    fn limit(&mut self, lint: Lint, word: &Ident, value: &Value) {
        let amount = match lint.unit() {
            Unit::None => {
                let message = format!(
                    "`{word}` has no limit; write `allow({word})`, `warn({word})` or `deny({word})`"
                );
                return self.error(word, message);
            }
            Unit::Count => self.count(lint, word, value),
            unit => self.quoted(lint, unit, word, value),
        };
        if let (Some(amount), Value::Assigned(written)) = (amount, value) {
            let written = written.clone();
            self.options.limits.insert(lint, Limit { amount, written });
        }
    }

    fn count(&mut self, lint: Lint, word: &Ident, value: &Value) -> Option<Amount> {
        let example = lint.example();
        let remedy = format!("`{word}` takes a whole number; write `{word} = {example}`");
        let number: LitInt = self.value(word, value, &remedy)?;
        if !number.suffix().is_empty() {
            self.error(&number, remedy);
            return None;
        }
        if number.base10_digits().starts_with('-') {
            self.error(value.tokens_or(word), remedy);
            return None;
        }
        match number.base10_parse::<u64>() {
            Ok(0) => {
                let message = format!("`{word}` cannot be zero; write `{word} = {example}`");
                self.error(&number, message);
                None
            }
            Ok(count) => Some(Amount::Count(count)),
            Err(_) => {
                let message = format!("`{word}` is too large; write `{word} = {example}`");
                self.error(&number, message);
                None
            }
        }
    }

    /// Parses a limit with a unit, which is written in quotes.
    fn quoted(&mut self, lint: Lint, unit: Unit, word: &Ident, value: &Value) -> Option<Amount> {
        let example = lint.example();
        let remedy = format!(
            "`{word}` takes {}; write `{word} = {example}`",
            unit.phrase()
        );
        let text: LitStr = self.value(word, value, &remedy)?;
        match amount::quoted(unit, &text.value()) {
            Ok(amount) => Some(amount),
            Err(fault) => {
                let message = format!("`{word}` {fault}; write `{word} = {example}`");
                self.error(&text, message);
                None
            }
        }
    }

    /// Reads `allow(held_idle, slow_query, reason = "…")`.
    fn levels(&mut self, level: &'static str, word: &Ident, value: &Value) {
        let remedy = format!("`{level}` takes lints in parentheses; write `{level}(slow_query)`");
        let Value::List(group) = value else {
            return self.error(value.tokens_or(word), remedy);
        };
        let Some((lints, reason)) = self.lints_and_reason(level, group) else {
            return;
        };
        if lints.is_empty() {
            return self.error(group, remedy);
        }
        for name in lints {
            let text = name.to_string();
            let (lints, rank) = match (Lint::named(&text), Lint::group(&text)) {
                (Some(lint), _) => (vec![lint], 2),
                (None, Some(lints)) => (lints, u8::from(text != "all")),
                (None, None) => {
                    let hint = match nearest(&text, Lint::names_and_groups()) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => "`leash::Lint` lists the lints".to_owned(),
                    };
                    self.error(&name, format!("unknown lint `{text}`; {hint}"));
                    continue;
                }
            };
            if self.is_new_level(level, &name, &text) {
                let level = Level {
                    word: level,
                    reason: reason.clone(),
                };
                self.set(&lints, rank, &level);
            }
        }
    }

    /// Sets the level of some lints. A lint takes precedence over its group and a group over `all`, in any order.
    fn set(&mut self, lints: &[Lint], rank: u8, level: &Level) {
        for lint in lints {
            if self.ranks.get(lint).is_none_or(|before| *before < rank) {
                self.ranks.insert(*lint, rank);
                self.options.levels.insert(*lint, level.clone());
            }
        }
    }

    /// Whether `name` has no level yet. Otherwise adds an error.
    fn is_new_level(&mut self, level: &'static str, name: &Ident, text: &str) -> bool {
        // A lint can have a level and a limit, so their keys differ.
        let marker = Ident::new(level, name.span());
        match self.seen.insert(format!("level of {text}"), marker) {
            None => true,
            Some(before) if before == level => {
                self.error(
                    name,
                    format!("`{level}({text})` is given twice; remove one"),
                );
                false
            }
            Some(before) => {
                let message = format!(
                    "`{level}({text})` contradicts `{before}({text})`; remove one of the two"
                );
                self.error(name, message);
                false
            }
        }
    }

    /// Returns `None` after a wrong entry, so that the list is not reported as empty as well.
    fn lints_and_reason(
        &mut self,
        level: &str,
        group: &Group,
    ) -> Option<(Vec<Ident>, Option<LitStr>)> {
        let mut lints = Vec::new();
        let mut reason = None;
        let mut right = true;
        for Entry { word, value } in entries(group.stream(), self.errors) {
            match value {
                _ if word == "reason" => {
                    if reason.is_some() {
                        self.error(&word, "`reason` is given twice; remove one");
                    }
                    reason = self.string(&word, &value, "why this is intended");
                    right &= reason.is_some();
                }
                Value::None => lints.push(word),
                Value::Assigned(_) | Value::List(_) => {
                    let message = format!(
                        "`{level}` takes lints without values; write `{}`",
                        level_without_limit(level, &word.to_string()),
                    );
                    self.error(value.tokens_or(&word), message);
                    right = false;
                }
            }
        }
        right.then_some((lints, reason))
    }

    fn error(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.errors.at(tokens, message);
    }
}

impl Value {
    /// The tokens of the value, for an error about it. If there is no value, the option's name.
    fn tokens_or(&self, word: &Ident) -> TokenStream {
        match self {
            Value::Assigned(tokens) if !tokens.is_empty() => tokens.clone(),
            Value::List(group) => TokenTree::Group(group.clone()).into(),
            Value::None | Value::Assigned(_) => word.to_token_stream(),
        }
    }
}

/// `allow(n_plus_one), n_plus_one = 20`, or `allow(outlived_scope)` where there is no such limit.
fn level_without_limit(level: &str, lint: &str) -> String {
    match Lint::named(lint).map(Lint::example) {
        Some(limit) if !limit.is_empty() => format!("{level}({lint}), {lint} = {limit}"),
        _ => format!("{level}({lint})"),
    }
}

/// The names in a sentence: `` `a`, `b`, `c` ``.
fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    names.join(", ")
}
