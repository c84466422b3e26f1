//! A tracked function, as `#[track]` records it.

use std::any;
use std::cmp::Reverse;
use std::fmt;
use std::panic::Location;
use std::time::Duration;

use once_cell::race::OnceBox;
use once_cell::sync::OnceCell;

use super::evidence::{Evidence, Holds, Loop, Written};
use super::name::{function_name, own_word};
use crate::finding::{Level, Limit, Lint};

/// A tracked function, with what `#[track]` has written down of it.
#[cfg_attr(
    feature = "tower",
    expect(
        clippy::struct_excessive_bools,
        reason = "each is a word of the attribute, or a kind of function"
    )
)]
pub struct Function {
    path: fn() -> &'static str,
    given_name: Option<&'static str>,
    file: &'static str,
    /// The line and column of a function that the attribute has not seen.
    at: [u32; 2],
    root: bool,
    of_test: bool,
    #[cfg(feature = "tower")]
    request: bool,
    returns_handle: bool,
    levels: &'static [(Lint, Level, &'static str)],
    limits: &'static [(Lint, Limit)],
    panic_at: PanicAt,
    /// What the attribute has written down of the source.
    written: &'static str,
    /// That, once it was read. In a box, because a compiler takes time for each field of a static.
    read: OnceBox<Read>,
}

/// What is made of a function when it is first asked for.
struct Read {
    evidence: Evidence,
    name: OnceCell<String>,
}

impl Function {
    /// A function whose body the attribute has not seen.
    pub(crate) const fn new(
        path: fn() -> &'static str,
        file: &'static str,
        line: u32,
        column: u32,
    ) -> Self {
        Self::made(path, panic_nowhere, file, [line, column], "")
    }

    /// A function whose body the attribute has seen, and written down.
    ///
    /// `here` is `panic_at` again: an item inside the function, so that its type name contains the function's path.
    pub const fn written<M: Copy>(
        here: M,
        panic_at: PanicAt,
        file: &'static str,
        written: &'static str,
    ) -> Self {
        let _ = here;
        Self::made(any::type_name::<M>, panic_at, file, [0, 0], written)
    }

    pub(crate) const fn made(
        path: fn() -> &'static str,
        panic_at: PanicAt,
        file: &'static str,
        at: [u32; 2],
        written: &'static str,
    ) -> Self {
        Self {
            path,
            given_name: None,
            file,
            at,
            root: false,
            of_test: false,
            #[cfg(feature = "tower")]
            request: false,
            returns_handle: false,
            levels: &[],
            limits: &[],
            panic_at,
            written,
            read: OnceBox::new(),
        }
    }

    /// `name = "…"`.
    #[must_use]
    pub const fn named(mut self, name: &'static str) -> Self {
        self.given_name = Some(name);
        self
    }

    /// `root`.
    #[must_use]
    pub const fn root(mut self) -> Self {
        self.root = true;
        self
    }

    /// It stands for what a test looks at.
    pub(crate) const fn of_test(mut self) -> Self {
        self.of_test = true;
        self
    }

    /// It stands for the requests of a route.
    #[cfg(feature = "tower")]
    pub(crate) const fn of_requests(mut self) -> Self {
        self.request = true;
        self
    }

    /// `returns_handle`.
    #[must_use]
    pub const fn returns_handle(mut self) -> Self {
        self.returns_handle = true;
        self
    }

    /// `allow(…)`, `warn(…)`, `deny(…)`.
    #[must_use]
    pub const fn levels(mut self, levels: &'static [(Lint, Level, &'static str)]) -> Self {
        self.levels = levels;
        self
    }

    /// `slow_query = "200ms"` and the limits of other lints.
    #[must_use]
    pub const fn limits(mut self, limits: &'static [(Lint, Limit)]) -> Self {
        self.limits = limits;
        self
    }

    fn read(&self) -> &Read {
        self.read.get_or_init(|| {
            let evidence = match self.written {
                "" => Evidence::unseen(self.at),
                written => Evidence::read(written),
            };
            Box::new(Read {
                evidence,
                name: OnceCell::new(),
            })
        })
    }

    fn evidence(&self) -> &Evidence {
        &self.read().evidence
    }

    /// The sites in the body.
    pub(crate) fn written_sites(&self) -> &[Written] {
        &self.evidence().sites
    }

    pub(crate) fn name(&self) -> &str {
        self.given_name.unwrap_or_else(|| {
            self.read()
                .name
                .get_or_init(|| function_name((self.path)()))
        })
    }

    pub(crate) fn is_root(&self) -> bool {
        self.root
    }

    /// Whether it is no function of the program, but stands for what a test looks at.
    pub(crate) fn is_of_test(&self) -> bool {
        self.of_test
    }

    /// Whether it is no function of the program, but stands for the requests of a route.
    #[cfg(feature = "tower")]
    pub(crate) fn is_request(&self) -> bool {
        self.request
    }

    pub(crate) fn may_return_handle(&self) -> bool {
        self.returns_handle
    }

    /// The level that the attribute sets.
    pub(crate) fn level(&self, lint: Lint) -> Option<Level> {
        self.levels
            .iter()
            .rev()
            .find(|(of, ..)| *of == lint)
            .map(|(_, level, _)| *level)
    }

    /// The limit that the attribute sets.
    pub(crate) fn limit(&self, lint: Lint) -> Option<Limit> {
        self.limits
            .iter()
            .rev()
            .find(|(of, _)| *of == lint)
            .map(|(_, limit)| *limit)
    }

    /// The limit that the attribute sets, if it is a time.
    pub(crate) fn time_limit(&self, lint: Lint) -> Option<Duration> {
        self.limit(lint)?.time()
    }

    /// The shortest limit that the attribute sets for its handles and their statements.
    pub(crate) fn shortest_limit(&self) -> Option<Duration> {
        if self.limits.is_empty() {
            return None;
        }
        [Lint::HeldIdle, Lint::HeldTooLong, Lint::SlowQuery]
            .into_iter()
            .filter_map(|lint| self.time_limit(lint))
            .min()
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
        Function::written((), panic_nowhere, file, written)
    }

    #[test]
    fn a_function_that_was_not_seen_is_no_evidence() {
        static UNSEEN: Function = Function::new(|| "", file!(), line!(), 1);
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
        static FUNCTION: Function = Function::new(|| "", file!(), line!(), 1);
        FUNCTION.panic_at(None, "stopped here");
    }

    #[test]
    fn a_function_takes_a_part_of_a_value_by_its_type() {
        static TAKES: Function =
            function("a.rs", "takes Self; takes Tenant").named("app::Work::insert");
        static SHARES: Function = function("a.rs", "straight").named("app::Work::count");
        static OF_TRAIT: Function = function("a.rs", "takes Self").named("<Work as Unit>::insert");
        assert!(TAKES.takes_part_of("core::result::Result<app::Tenant, sqlx_core::error::Error>"));
        assert!(TAKES.takes_part_of("core::option::Option<(app::Work, u64)>"));
        assert!(!TAKES.takes_part_of("core::result::Result<app::Tenants, app::work::Error>"));
        assert!(!SHARES.takes_part_of("app::Work"));
        assert!(OF_TRAIT.takes_part_of("app::Work") && !OF_TRAIT.takes_part_of("app::Unit"));
    }
}
