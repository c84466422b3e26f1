//! Findings: occurrences of lints, as plain data, and the types that they consist of.

use std::fmt;

#[cfg(feature = "track")]
mod build;
#[cfg(feature = "track")]
pub(crate) mod collector;
mod level;
mod limit;
mod lint;
mod numbers;
#[cfg(all(feature = "track", feature = "board"))]
pub(crate) mod recent;
#[cfg(feature = "track")]
mod render;
mod verdict;

pub use level::{Certainty, Level, UnknownName};
pub use limit::Limit;
#[cfg(feature = "track")]
pub(crate) use limit::Unit;
#[cfg(feature = "track")]
pub(crate) use lint::{Group, Stance};
pub use lint::{Lint, explain};
pub use numbers::Numbers;
pub use verdict::Verdict;

/// A place in the source that runs a query or takes a handle.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct CallSite {
    /// The source file, as the compiler names it: relative to the workspace.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column of the method's name, from 1, in characters.
    pub column: u32,
    /// The function around it: `module::ExamRepo::find`, `<ExamRepo as Repo>::find`. `None` in code without `#[track]`.
    pub function: Option<String>,
    /// The word at the column, as the attribute saw it. `None` where it has not seen the place.
    #[cfg(feature = "track")]
    #[cfg_attr(feature = "serde", serde(skip))]
    word: Option<&'static str>,
}

impl CallSite {
    #[cfg(feature = "track")]
    pub(crate) fn new(file: &str, line: u32, column: u32, function: Option<&str>) -> Self {
        Self {
            file: file.to_owned(),
            line,
            column,
            function: function.map(str::to_owned),
            word: None,
        }
    }

    /// Sets the word that the attribute has seen at the column.
    #[cfg(feature = "track")]
    pub(crate) fn word(mut self, word: Option<&'static str>) -> Self {
        self.word = word;
        self
    }
}

impl fmt::Display for CallSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// One occurrence of a lint, with its evidence.
///
/// `Display` is one line, for logs. [`render`](Finding::render) returns the whole report, for people.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Finding {
    /// The lint that found it.
    pub lint: Lint,
    /// The level in force where it was found.
    pub level: Level,
    /// How certain the cause is.
    pub certainty: Certainty,
    /// Why it happened, from the evidence alone.
    pub cause: String,
    /// What happened, in one sentence that stands alone.
    pub title: String,
    /// Why an acquire timed out; only for `pool_timeout`.
    pub verdict: Option<Verdict>,
    /// The place to look at first. The page of each lint says which one that is.
    pub primary: CallSite,
    /// What happened at the primary place: "taken here".
    pub label: String,
    /// The function at fault, if a function is.
    pub function: Option<String>,
    /// The name of the pool, if it is about a pool.
    pub pool: Option<String>,
    /// Where the permit, the transaction or the lock that it is about is held, or where the holder took it. Of several, the
    /// first to look at; `related` has the others.
    pub holder: Option<CallSite>,
    /// Where an acquire, or the close of a pool, waits. Of several, the first to look at.
    pub waiter: Option<CallSite>,
    /// Its numbers, for programs.
    pub numbers: Numbers,
    /// Other places that belong to the finding, each with its part in it.
    pub related: Vec<Related>,
    /// The evidence: names and values, in the order in which they are shown.
    pub facts: Vec<Fact>,
    /// What to change, as concrete code.
    pub help: Vec<String>,
    /// What is not known, how to allow the finding, and where to read more.
    pub notes: Vec<String>,
}

/// A place that belongs to a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Related {
    /// Its part in the finding: "the scope it outlived".
    pub label: String,
    /// The place.
    pub site: CallSite,
}

/// A piece of evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Fact {
    /// What was observed: "held for".
    pub name: String,
    /// The value, with its unit.
    pub value: String,
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.value)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} at {}", self.lint, self.title, self.primary)?;
        if let Some(verdict) = self.verdict {
            write!(f, ", {verdict}")?;
        }
        for fact in &self.facts {
            write!(f, ", {fact}")?;
        }
        write!(f, " ({})", self.certainty)
    }
}
