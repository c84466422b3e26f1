//! A tracked function, as `#[track]` records it.

use std::any;
use std::cmp::Reverse;
use std::fmt;
use std::panic::Location;

use once_cell::sync::OnceCell;

use super::evidence::{Evidence, Holds, Loop, Written};
use super::late::Late;
use super::name::{function_name, own_word};
use super::options::Options;

/// A tracked function, with what `#[track]` has written down of it.
///
/// The compiler takes time for each field of a static, so what most functions do not have is behind one reference.
pub struct Function {
    path: fn() -> &'static str,
    panic_at: PanicAt,
    file: &'static str,
    /// What the attribute has written down of the source.
    written: &'static str,
    options: &'static Options,
    /// What was written, once it was read.
    read: Late<Read>,
}

/// What is made of a function when it is first asked for.
struct Read {
    evidence: Evidence,
    name: OnceCell<String>,
}

impl Function {
    /// A function whose body the attribute has not seen. `written` has its place: `at 12:5`.
    pub(crate) const fn unseen(
        file: &'static str,
        written: &'static str,
        options: &'static Options,
    ) -> Self {
        Self {
            path: || "",
            panic_at: panic_nowhere,
            file,
            written,
            options,
            read: Late::NONE,
        }
    }

    /// A function whose body the attribute has seen, and written down.
    ///
    /// `here` is `panic_at` again: an item inside the function, so that its type name contains the function's path.
    pub(crate) const fn written<M: Copy>(
        _here: M,
        panic_at: PanicAt,
        file: &'static str,
        written: &'static str,
        options: &'static Options,
    ) -> Self {
        Self {
            path: any::type_name::<M>,
            panic_at,
            file,
            written,
            options,
            read: Late::NONE,
        }
    }

    fn read(&self) -> &Read {
        self.read.get_or_init(|| Read {
            evidence: Evidence::read(self.written),
            name: OnceCell::new(),
        })
    }

    fn evidence(&self) -> &Evidence {
        &self.read().evidence
    }

    /// The sites in the body.
    pub(crate) fn written_sites(&self) -> &[Written] {
        &self.evidence().sites
    }

    pub(crate) fn options(&self) -> &'static Options {
        self.options
    }

    pub(crate) fn name(&self) -> &str {
        self.options.name().unwrap_or_else(|| {
            self.read()
                .name
                .get_or_init(|| function_name((self.path)()))
        })
    }

    /// Whether the place is in the function's body; false if the body is not known.
    pub(crate) fn contains(&self, location: &Location<'_>) -> bool {
        self.position_of(location).is_some()
    }

    /// Line and column of a place, if it is in the function's body.
    pub(crate) fn position_of(&self, location: &Location<'_>) -> Option<(u32, u32)> {
        let (line, column) = (location.line(), location.column());
        self.has(location.file(), line, column)
            .then_some((line, column))
    }

    /// Whether the position is in the function's body.
    pub(crate) fn has(&self, file: &str, line: u32, column: u32) -> bool {
        file == self.file
            && self
                .evidence()
                .body
                .is_some_and(|body| body.contains(line, column))
    }

    /// Whether the handle awaited at the place stays in a variable of the function until it is ended or dropped.
    pub(crate) fn keeps(&self, location: &Location<'_>) -> bool {
        self.position_of(location)
            .is_some_and(|(line, column)| self.evidence().keeps.contains(&[line, column]))
    }

    /// Whether the function still holds what was returned by the `.await` at `awaited`, while it awaits something else at
    /// `position`. `None` where the attribute has not followed that value.
    ///
    /// `awaited` is in another file where a box or a combinator polled the future, and `position` is `None` where one polls
    /// now. A straight body awaits one thing after another, so each of its awaits may then be the one in question.
    pub(crate) fn still_holds(
        &self,
        awaited: &Location<'_>,
        position: Option<(u32, u32)>,
    ) -> Option<bool> {
        let awaited = self.position_of(awaited);
        if awaited.is_none() && !self.is_straight() {
            return None;
        }
        let is_of = |(at, ..): &&Holds| awaited.is_none_or(|(line, column)| *at == [line, column]);
        let mut holds = self.evidence().holds.iter().filter(is_of).peekable();
        holds.peek()?;
        Some(match position {
            Some((line, column)) => holds.any(|(_, held, _)| held.contains(line, column)),
            None => self.is_straight() && holds.any(|(.., lasts)| *lasts),
        })
    }

    /// Whether what is awaited at the place was lent a variable in its own arguments. The borrow then ends with the
    /// call, if what it returns cannot have it.
    pub(crate) fn lends(&self, location: &Location<'_>) -> bool {
        self.position_of(location)
            .is_some_and(|(line, column)| self.evidence().lends.contains(&[line, column]))
    }

    /// Whether all that it does with the connections that it was lent is in sight.
    pub(crate) fn lends_in_sight(&self) -> bool {
        self.evidence().lends_in_sight
    }

    /// Whether the handle taken at the position stays in a variable of a loop.
    pub(crate) fn repeats(&self, (line, column): (u32, u32)) -> bool {
        self.evidence().repeats.contains(&[line, column])
    }

    /// The loops and closures around the position, innermost first.
    pub(crate) fn loops_around(&self, (line, column): (u32, u32)) -> impl Iterator<Item = Loop> {
        let around = self.evidence().loops.iter().copied();
        let mut around: Vec<Loop> = around
            .filter(|&(_, _, extent, _)| extent.contains(line, column))
            .collect();
        // Of two that contain a position, the one that begins later is the inner one.
        around.sort_by_key(|(_, _, extent, _)| Reverse(extent.begins_at()));
        around.into_iter()
    }

    /// Whether the task that takes the scope along at the place is awaited before the function awaits anything else.
    pub(crate) fn joins(&self, location: &Location<'_>) -> bool {
        let position = [location.line(), location.column()];
        location.file() == self.file && self.evidence().joins.contains(&position)
    }

    /// Whether the function is given a value to itself of a type that this one, written in full, contains.
    pub(crate) fn takes_part_of(&self, value: &str) -> bool {
        let takes = &self.evidence().takes;
        !takes.is_empty()
            && last_words(value).any(|word| {
                takes.contains(&word) || (takes.contains(&"Self") && self.type_name() == Some(word))
            })
    }

    /// Whether the function is given a transaction or a pooled connection to itself.
    pub(crate) fn takes_handle(&self) -> bool {
        let takes = &self.evidence().takes;
        takes.contains(&"Transaction") || takes.contains(&"PoolConnection")
    }

    /// The last word of the type in whose impl block the function is.
    fn type_name(&self) -> Option<&str> {
        let name = self.name();
        match name.strip_prefix('<') {
            Some(rest) => rest.split(" as ").next(),
            None => name.rsplit("::").nth(1),
        }
    }

    /// Whether the attribute has seen the body.
    pub(crate) fn has_body(&self) -> bool {
        self.evidence().body.is_some()
    }

    /// Whether nothing in the body can run beside something else.
    pub(crate) fn is_straight(&self) -> bool {
        self.evidence().straight
    }

    pub(crate) fn file(&self) -> &'static str {
        self.file
    }

    /// Panics with the location of the site of this index; without an index, with that of the function's name.
    pub(crate) fn panic_at(&self, index: Option<usize>, message: &str) -> ! {
        (self.panic_at)(index.unwrap_or(usize::MAX), message)
    }

    /// The word at a position, if it is one of a site, of a loop or of the function's name.
    pub(crate) fn word_at(&self, position: (u32, u32)) -> Option<&'static str> {
        if position == self.position() {
            return own_word((self.path)());
        }
        let (line, column) = position;
        let sites = self.evidence().sites.iter();
        let sites = sites.map(|&(at, word, ..)| (at, word));
        let loops = self
            .evidence()
            .loops
            .iter()
            .map(|&(word, at, ..)| (at, word));
        let mut words = sites.chain(loops);
        words.find_map(|(at, word)| (at == [line, column]).then_some(word))
    }

    /// Line and column of the function's name.
    pub(crate) fn position(&self) -> (u32, u32) {
        self.evidence().at.into()
    }
}

/// The last word of each path in the name of a type.
fn last_words(name: &str) -> impl Iterator<Item = &str> {
    name.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'))
        .filter_map(|path| path.rsplit("::").next())
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Function").field(&self.name()).finish()
    }
}

/// Panics with a location in the user's code: that of the site of this index, else that of the function's name.
pub type PanicAt = fn(usize, &str) -> !;

/// Panics without a location in the user's code.
fn panic_nowhere(_index: usize, message: &str) -> ! {
    panic_here(message)
}

/// Panics with the location of its caller.
///
/// # Panics
///
/// Always.
#[track_caller]
pub fn panic_here(message: &str) -> ! {
    panic!("{message}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn function(file: &'static str, written: &'static str) -> Function {
        Function::unseen(file, written, &Options::NONE)
    }

    const fn named(written: &'static str, options: &'static Options) -> Function {
        Function::unseen("a.rs", written, options)
    }

    #[test]
    fn a_function_that_was_not_seen_is_no_evidence() {
        static UNSEEN: Function = function(file!(), "at 1:1");
        assert!(!UNSEEN.contains(Location::caller()) && !UNSEEN.is_straight());
    }

    #[test]
    fn a_function_contains_its_body() {
        static AROUND: Function = function(file!(), "body 1:1-9999:1");
        static ABOVE: Function = function(file!(), "body 1:1-2:1");
        assert!(AROUND.contains(Location::caller()));
        assert!(!ABOVE.contains(Location::caller()));
    }

    #[test]
    fn a_function_does_not_contain_what_is_in_another_file() {
        static ELSEWHERE: Function = function("elsewhere.rs", "body 1:1-9999:1");
        assert!(!ELSEWHERE.contains(Location::caller()));
    }

    #[test]
    #[should_panic(expected = "stopped here")]
    fn a_function_without_a_place_to_panic_at_panics_all_the_same() {
        static FUNCTION: Function = function(file!(), "at 1:1");
        FUNCTION.panic_at(None, "stopped here");
    }

    #[test]
    fn a_function_takes_a_part_of_a_value_by_its_type() {
        static TAKES: Function = named(
            "takes Self; takes Tenant",
            &Options::NONE.named("app::Work::insert"),
        );
        static SHARES: Function = named("straight", &Options::NONE.named("app::Work::count"));
        static OF_TRAIT: Function =
            named("takes Self", &Options::NONE.named("<Work as Unit>::insert"));
        assert!(TAKES.takes_part_of("core::result::Result<app::Tenant, sqlx_core::error::Error>"));
        assert!(TAKES.takes_part_of("core::option::Option<(app::Work, u64)>"));
        assert!(!TAKES.takes_part_of("core::result::Result<app::Tenants, app::work::Error>"));
        assert!(!SHARES.takes_part_of("app::Work"));
        assert!(OF_TRAIT.takes_part_of("app::Work") && !OF_TRAIT.takes_part_of("app::Unit"));
    }
}
