//! Call sites and functions: where in the source something happens.

use std::any;
use std::fmt;
use std::panic::Location;
use std::time::Duration;

use once_cell::sync::OnceCell;

use crate::acquires::Acquires;
use crate::lint::{CallSite, Level, Limit, Lint};
use crate::tally::Tallies;

/// A tracked function. One static each, made by `#[track]`.
pub struct Function {
    path: fn() -> &'static str,
    given_name: Option<&'static str>,
    name: OnceCell<String>,
    file: &'static str,
    line: u32,
    column: u32,
    root: bool,
    returns_handle: bool,
    levels: &'static [(Lint, Level, &'static str)],
    limits: &'static [(Lint, Limit)],
    body: Option<Extent>,
    straight: bool,
    keeps: &'static [[u32; 2]],
    repeats: &'static [[u32; 2]],
    stop: Stop,
    written: &'static [Written],
    /// What [`written`](Self::written) becomes when the first of them runs.
    sites: OnceCell<Box<[Site]>>,
    /// Statements of which only the function is known.
    pub(crate) tallies: Tallies,
}

impl Function {
    /// One that the attribute has not seen.
    pub(crate) const fn new(
        path: fn() -> &'static str,
        file: &'static str,
        line: u32,
        column: u32,
    ) -> Self {
        Self {
            path,
            given_name: None,
            name: OnceCell::new(),
            file,
            line,
            column,
            root: false,
            returns_handle: false,
            levels: &[],
            limits: &[],
            body: None,
            straight: false,
            keeps: &[],
            repeats: &[],
            stop: stop_here,
            written: &[],
            sites: OnceCell::new(),
            tallies: Tallies::new(),
        }
    }

    /// `here` is `stop` once more: an item declared in the function, whose type has a name. `body` goes from the opening brace
    /// to the closing one. `straight` says that nothing in the body can run beside something else.
    ///
    /// One call with plain data, and one static for a function and its sites: the compiler looks at each static, each
    /// closure and each step of a chain of calls for longer than at all of this.
    pub const fn written<M: Copy>(
        here: M,
        stop: Stop,
        file: &'static str,
        [line, column]: [u32; 2],
        body: [u32; 4],
        straight: bool,
        written: &'static [Written],
    ) -> Self {
        let _ = here;
        let mut function = Self::new(any::type_name::<M>, file, line, column);
        function.body = Some(Extent::new(body));
        function.straight = straight;
        function.stop = stop;
        function.written = written;
        function
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

    /// `slow_query = "200ms"` and its like.
    #[must_use]
    pub const fn limits(mut self, limits: &'static [(Lint, Limit)]) -> Self {
        self.limits = limits;
        self
    }

    /// What is awaited at these places (line and column) stays in a variable of the function.
    #[must_use]
    pub const fn keeping(mut self, keeps: &'static [[u32; 2]]) -> Self {
        self.keeps = keeps;
        self
    }

    /// What is taken at these places (line and column) stays in a variable of a loop.
    #[must_use]
    pub const fn repeating(mut self, repeats: &'static [[u32; 2]]) -> Self {
        self.repeats = repeats;
        self
    }

    /// The site that is written down at this index.
    #[inline]
    pub(crate) fn site(&'static self, index: usize) -> &'static Site {
        let sites = self.sites.get_or_init(|| {
            let indexed = self.written.iter().enumerate();
            indexed
                .map(|(index, written)| Site::new(self, index, written))
                .collect()
        });
        &sites[index]
    }

    pub(crate) fn name(&self) -> &str {
        self.given_name
            .unwrap_or_else(|| self.name.get_or_init(|| function_name((self.path)())))
    }

    pub(crate) fn is_root(&self) -> bool {
        self.root
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

    /// The same, where it is a time.
    pub(crate) fn time_limit(&self, lint: Lint) -> Option<Duration> {
        match self.limit(lint) {
            Some(Limit::Time(limit)) => Some(limit),
            _ => None,
        }
    }

    /// The shortest time after which one of its handles is to be told.
    pub(crate) fn shortest_limit(&self) -> Option<Duration> {
        if self.limits.is_empty() {
            return None;
        }
        [Lint::HeldIdle, Lint::HeldTooLong, Lint::SlowQuery]
            .into_iter()
            .filter_map(|lint| self.time_limit(lint))
            .min()
    }

    /// Whether the place is in the function's body; no where that is not known.
    pub(crate) fn contains(&self, location: &Location<'_>) -> bool {
        self.position_of(location).is_some()
    }

    /// Line and column of a place in the function's body.
    pub(crate) fn position_of(&self, location: &Location<'_>) -> Option<(u32, u32)> {
        let (line, column) = (location.line(), location.column());
        self.has(location.file(), line, column)
            .then_some((line, column))
    }

    /// Whether that is a place in the function's body.
    pub(crate) fn has(&self, file: &str, line: u32, column: u32) -> bool {
        file == self.file && self.body.is_some_and(|body| body.contains(line, column))
    }

    /// Whether what is awaited there stays in a variable of the function until it is ended or dropped.
    pub(crate) fn keeps(&self, location: &Location<'_>) -> bool {
        self.position_of(location)
            .is_some_and(|(line, column)| self.keeps.contains(&[line, column]))
    }

    /// Whether the variable in which that stays is a loop's.
    pub(crate) fn repeats(&self, (line, column): (u32, u32)) -> bool {
        self.repeats.contains(&[line, column])
    }

    /// Whether the attribute has seen the body.
    pub(crate) fn has_body(&self) -> bool {
        self.body.is_some()
    }

    /// Whether nothing in the body can run beside something else.
    pub(crate) fn is_straight(&self) -> bool {
        self.straight
    }

    /// Panics where the function's name stands.
    pub(crate) fn stop(&self, message: &str) -> ! {
        (self.stop)(self.written.len(), message)
    }

    /// Where the function's name stands.
    pub(crate) fn place(&'static self) -> Place {
        Place {
            file: self.file,
            line: self.line,
            column: self.column,
            function: Some(self),
        }
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Function").field(&self.name()).finish()
    }
}

/// `shop::<impl shop::Repo<_>>::find::Here` as people say it: `shop::Repo::find`.
fn function_name(path: &str) -> String {
    let function = path
        .rsplit_once("::")
        .map_or(path, |(function, _marker)| function);
    let function = function.replace("::{{closure}}", "");
    if function.starts_with('<')
        && let Some((ty, rest)) = function[1..].split_once(" as ")
        && let Some((tr, method)) = rest.rsplit_once(">::")
    {
        // A trait implementation: the paths of type and trait say less than they cost in length.
        return format!("<{} as {}>::{method}", last_segment(ty), last_segment(tr));
    }
    if let Some((module, rest)) = function.split_once("<impl ")
        && let Some((ty, method)) = rest.rsplit_once(">::")
    {
        return format!("{module}{}::{method}", last_segment(ty));
    }
    without_arguments(&function)
}

/// `alloc::vec::Vec<x::Y>` -> `Vec`.
fn last_segment(path: &str) -> &str {
    let bare = path.split_once('<').map_or(path, |(bare, _)| bare);
    bare.rsplit_once("::").map_or(bare, |(_, last)| last)
}

/// `a::Repo<b::C>::find` -> `a::Repo::find`.
fn without_arguments(path: &str) -> String {
    let mut depth = 0_u32;
    path.chars()
        .filter(|c| {
            match c {
                '<' => depth += 1,
                // The one that closes the outermost goes with the rest.
                '>' => {
                    depth = depth.saturating_sub(1);
                    return false;
                }
                _ => {}
            }
            depth == 0
        })
        .collect()
}

/// A site as the attribute writes it down: line and column of the method's name, from 1; whether the handle that it takes
/// stays in a variable of the function until it is ended or dropped; and if it stands in a nested async block, a closure, or
/// the tokens of a macro, from where to where the innermost goes.
pub type Written = ([u32; 2], bool, Option<[u32; 4]>);

/// An expression that runs a query or takes a handle.
#[derive(Debug)]
pub struct Site {
    function: &'static Function,
    index: usize,
    line: u32,
    column: u32,
    block: Option<Extent>,
    stays: bool,
    pub(crate) tallies: Tallies,
    pub(crate) acquires: OnceCell<&'static Acquires>,
}

impl Site {
    fn new(
        function: &'static Function,
        index: usize,
        &([line, column], stays, block): &Written,
    ) -> Self {
        Self {
            function,
            index,
            line,
            column,
            block: block.map(Extent::new),
            stays,
            tallies: Tallies::new(),
            acquires: OnceCell::new(),
        }
    }

    pub(crate) fn function(&self) -> &'static Function {
        self.function
    }

    pub(crate) fn position(&self) -> (u32, u32) {
        (self.line, self.column)
    }

    /// Whether it stands in a block inside the function's own body.
    pub(crate) fn has_block(&self) -> bool {
        self.block.is_some()
    }

    /// Whether the position lies in the innermost block around the expression. The function's own body is not asked.
    pub(crate) fn is_in_block(&self, line: u32, column: u32) -> bool {
        self.block.is_none_or(|block| block.contains(line, column))
    }

    /// Whether the handle that it takes stays in a variable of the function until it is ended or dropped.
    pub(crate) fn stays(&self) -> bool {
        self.stays
    }

    /// Panics where the method's name stands.
    pub(crate) fn stop(&self, message: &str) -> ! {
        (self.function.stop)(self.index, message)
    }

    pub(crate) fn place(&self) -> Place {
        Place {
            file: self.function.file,
            line: self.line,
            column: self.column,
            function: Some(self.function),
        }
    }
}

/// A panic at a place of the user's: a fn that calls [`stop`] at the site of that index, or else where the function's name
/// stands.
pub type Stop = fn(usize, &str) -> !;

/// A panic at no place of the user's.
fn stop_here(_index: usize, message: &str) -> ! {
    stop(message)
}

/// Ends the program's path.
///
/// # Panics
///
/// Always, where it is called.
#[track_caller]
pub fn stop(message: &str) -> ! {
    panic!("{message}")
}

/// From a position in a file to just before another, each a line and a column, from 1.
#[derive(Clone, Copy, Debug)]
struct Extent {
    from: (u32, u32),
    to: (u32, u32),
}

impl Extent {
    const fn new([from_line, from_column, to_line, to_column]: [u32; 4]) -> Self {
        Self {
            from: (from_line, from_column),
            to: (to_line, to_column),
        }
    }

    fn contains(self, line: u32, column: u32) -> bool {
        (self.from..self.to).contains(&(line, column))
    }
}

/// A place in the source, however it came to be known.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) file: &'static str,
    pub(crate) line: u32,
    pub(crate) column: u32,
    pub(crate) function: Option<&'static Function>,
}

impl Place {
    /// In code without `#[track]` that calls through sqlx.
    pub(crate) const UNKNOWN: Place = Place {
        file: "<code without #[track]>",
        line: 0,
        column: 0,
        function: None,
    };

    /// Whether it is the same place in the source.
    pub(crate) fn is_same(self, other: Place) -> bool {
        (self.line, self.column, self.file) == (other.line, other.column, other.file)
    }

    pub(crate) fn at(
        location: &'static std::panic::Location<'static>,
        function: Option<&'static Function>,
    ) -> Self {
        Self {
            file: location.file(),
            line: location.line(),
            column: location.column(),
            function,
        }
    }

    pub(crate) fn to_call_site(self) -> CallSite {
        CallSite::new(
            self.file,
            self.line,
            self.column,
            self.function.map(Function::name),
        )
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, expected: &str) {
        assert_eq!(function_name(path), expected);
    }

    #[test]
    fn function_names_read_as_people_say_them() {
        check("shop::free::Here", "shop::free");
        check(
            "shop::repo::ExamRepo::find::Here",
            "shop::repo::ExamRepo::find",
        );
        check("shop::Repo<_>::find::Here", "shop::Repo::find");
        check(
            "shop::<impl shop::repo::Repo<alloc::vec::Vec<_>>>::find::Here",
            "shop::Repo::find",
        );
        check(
            "<shop::repo::ExamRepo as shop::Repo>::find::Here",
            "<ExamRepo as Repo>::find",
        );
        check(
            "<shop::G<a::B> as shop::Repo<c::D>>::find::Here",
            "<G as Repo>::find",
        );
        check("shop::main::{{closure}}::Here", "shop::main");
    }

    #[test]
    fn an_extent_ends_before_its_end() {
        let extent = Extent::new([2, 5, 4, 3]);
        for (line, column) in [(2, 5), (2, 900), (3, 1), (4, 2)] {
            assert!(extent.contains(line, column), "{line}:{column}");
        }
        for (line, column) in [(1, 900), (2, 4), (4, 3), (5, 1)] {
            assert!(!extent.contains(line, column), "{line}:{column}");
        }
    }

    const fn function(file: &'static str, body: [u32; 4]) -> Function {
        let sites = &[([1, 1], false, None), ([1, 1], true, Some([7, 1, 9, 1]))];
        Function::written((), stop_here, file, [1, 1], body, false, sites)
    }

    #[test]
    fn nothing_is_evidence_unless_said() {
        static UNSEEN: Function = Function::new(|| "", file!(), line!(), 1);
        static FUNCTION: Function = function(file!(), [1, 1, 1, 1]);
        assert!(!UNSEEN.contains(Location::caller()) && !UNSEEN.is_straight());
        let (plain, saying) = (FUNCTION.site(0), FUNCTION.site(1));
        assert!(!plain.stays() && plain.is_in_block(1, 1));
        assert!(saying.stays() && saying.is_in_block(8, 1) && !saying.is_in_block(1, 1));
    }

    #[test]
    fn a_function_contains_its_body() {
        static AROUND: Function = function(file!(), [1, 1, u32::MAX, 1]);
        static ABOVE: Function = function(file!(), [1, 1, line!(), 1]);
        assert!(AROUND.contains(Location::caller()));
        assert!(!ABOVE.contains(Location::caller()));
    }

    #[test]
    fn a_function_does_not_contain_what_is_in_another_file() {
        static ELSEWHERE: Function = function("elsewhere.rs", [1, 1, u32::MAX, 1]);
        assert!(!ELSEWHERE.contains(Location::caller()));
    }

    #[test]
    #[should_panic(expected = "stopped here")]
    fn a_function_that_was_told_no_place_stops_all_the_same() {
        static FUNCTION: Function = Function::new(|| "", file!(), line!(), 1);
        FUNCTION.stop("stopped here");
    }
}
