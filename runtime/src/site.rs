//! Call sites and functions: where in the source something happens.

use std::fmt;

use once_cell::sync::OnceCell;

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
    /// Statements of which only the function is known.
    pub(crate) tallies: Tallies,
}

impl Function {
    /// `path` gives the type name of an item declared in the function.
    pub const fn new(
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
            tallies: Tallies::new(),
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

/// An expression that runs a query or takes a handle. One static each, made by `#[track]`.
#[derive(Debug)]
pub struct Site {
    function: &'static Function,
    file: &'static str,
    line: u32,
    column: u32,
    pub(crate) tallies: Tallies,
}

impl Site {
    /// `line` and `column` are those of the method's name, from 1.
    pub const fn new(
        function: &'static Function,
        file: &'static str,
        line: u32,
        column: u32,
    ) -> Self {
        Self {
            function,
            file,
            line,
            column,
            tallies: Tallies::new(),
        }
    }

    pub(crate) fn place(&self) -> Place {
        Place {
            file: self.file,
            line: self.line,
            column: self.column,
            function: Some(self.function),
        }
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
}
