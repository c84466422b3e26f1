//! Call sites, with their counters.

use std::fmt;
use std::ops::Deref;
use std::panic::Location;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use once_cell::sync::OnceCell;

use crate::source::evidence::Written;
use crate::source::extent::Extent;
use crate::source::function::{Function, PanicAt};
use crate::source::late::Late;
use crate::source::options::Options;
use crate::source::place::Place;
use crate::sync;

pub(crate) mod acquires;
#[cfg(feature = "cache")]
pub(crate) mod latest;
mod pools;
#[cfg(feature = "tower")]
pub(crate) mod routes;
pub(crate) mod tally;

use acquires::Acquires;
use tally::{Tallies, Tally};

/// A tracked function with its call sites and counters. `#[track]` writes one static for each function.
pub struct TrackedFn {
    function: Function,
    /// Its place in [`NUMBERED`], from 1; 0 before it is first asked for.
    number: AtomicU32,
    counters: Late<Counters>,
}

/// What the function's statements and acquires are counted in.
#[derive(Debug, Default)]
struct Counters {
    /// Made when the first of the sites runs.
    sites: OnceCell<Box<[Site]>>,
    /// The counters of statements whose function is known, but not their call site.
    tallies: Tallies,
}

/// The functions that have a number, in its order.
static NUMBERED: Mutex<Vec<&'static TrackedFn>> = Mutex::new(Vec::new());

impl TrackedFn {
    /// The value of the static that `#[track]` writes for a function without options.
    ///
    /// `here` is `panic_at` again: an item inside the function, so that its type name contains the function's path.
    pub const fn written<M: Copy>(
        here: M,
        panic_at: PanicAt,
        file: &'static str,
        written: &'static str,
    ) -> Self {
        Self::new(Function::written(
            here,
            panic_at,
            file,
            written,
            &Options::NONE,
        ))
    }

    /// The same of a function with options.
    pub const fn with_options<M: Copy>(
        here: M,
        panic_at: PanicAt,
        file: &'static str,
        written: &'static str,
        options: &'static Options,
    ) -> Self {
        Self::new(Function::written(here, panic_at, file, written, options))
    }

    /// What stands for code at that place which is no tracked function. A part of it is never freed.
    pub(crate) fn standing_in(at: &'static Location<'static>, options: Options) -> Self {
        let written = format!("at {}:{}", at.line(), at.column());
        let options = Box::leak(Box::new(options));
        Self::new(Function::unseen(at.file(), written.leak(), options))
    }

    pub(crate) const fn new(function: Function) -> Self {
        Self {
            function,
            number: AtomicU32::new(0),
            counters: Late::NONE,
        }
    }

    /// A number that stands for the function where a reference cannot.
    #[inline]
    pub(crate) fn number(&'static self) -> u32 {
        self.known_number().unwrap_or_else(|| self.first_number())
    }

    /// The same, if the function has one already.
    #[inline]
    pub(crate) fn known_number(&self) -> Option<u32> {
        // Relaxed here and below: who reads the number elsewhere looks it up under the lock.
        Some(self.number.load(Relaxed)).filter(|number| *number != 0)
    }

    #[cold]
    fn first_number(&'static self) -> u32 {
        let mut numbered = sync::lock(&NUMBERED);
        // Another thread may have been faster.
        if self.number.load(Relaxed) == 0 {
            numbered.push(self);
            let number = u32::try_from(numbered.len()).unwrap_or(u32::MAX);
            self.number.store(number, Relaxed);
        }
        self.number.load(Relaxed)
    }

    /// The function with this number, if one has it.
    pub(crate) fn of_number(number: u32) -> Option<&'static Self> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        sync::lock(&NUMBERED).get(index).copied()
    }

    /// The site of this index in [`Function::written_sites`].
    #[inline]
    pub(crate) fn site(&'static self, index: usize) -> &'static Site {
        self.find_site(index)
            .expect("BUG: the expansion has this site")
    }

    /// The same; `None` if there is none.
    #[inline]
    pub(crate) fn find_site(&'static self, index: usize) -> Option<&'static Site> {
        let sites = self.counters().sites.get_or_init(|| {
            let indexed = self.function.written_sites().iter().enumerate();
            indexed
                .map(|(index, written)| Site::new(&self.function, index, written))
                .collect()
        });
        sites.get(index)
    }

    /// The counters of a text that the function sends from an unknown call site.
    pub(crate) fn tally(&'static self, sql: &str) -> &'static Tally {
        let tallies = &self.counters().tallies;
        tallies.find(|| self.function.place(), sql)
    }

    #[inline]
    fn counters(&self) -> &Counters {
        self.counters.get_or_init(Counters::default)
    }
}

impl fmt::Debug for TrackedFn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.function.fmt(f)
    }
}

impl Deref for TrackedFn {
    type Target = Function;

    #[inline]
    fn deref(&self) -> &Function {
        &self.function
    }
}

/// An expression that runs a query or takes a handle.
#[derive(Debug)]
pub struct Site {
    function: &'static Function,
    index: usize,
    line: u32,
    column: u32,
    block: Option<Extent>,
    stays: bool,
    tallies: Tallies,
    acquires: OnceCell<&'static Acquires>,
}

impl Site {
    fn new(
        function: &'static Function,
        index: usize,
        &([line, column], _, stays, block): &Written,
    ) -> Self {
        Self {
            function,
            index,
            line,
            column,
            block,
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

    /// Whether it stands in a nested block: an async block, a closure, or the tokens of a macro.
    pub(crate) fn has_block(&self) -> bool {
        self.block.is_some()
    }

    /// Whether the position is in the innermost nested block around the expression; true without such a block.
    pub(crate) fn is_in_block(&self, line: u32, column: u32) -> bool {
        self.block.is_none_or(|block| block.contains(line, column))
    }

    /// Whether the handle that it takes stays in a variable of the function until it is ended or dropped.
    pub(crate) fn stays(&self) -> bool {
        self.stays
    }

    /// The counters of a text that is sent at this site.
    pub(crate) fn tally(&'static self, sql: &str) -> &'static Tally {
        self.tallies.find(|| self.place(), sql)
    }

    /// The counters of the acquires at this site.
    pub(crate) fn acquires(&self) -> &'static Acquires {
        self.acquires.get_or_init(|| acquires::at(self.place()))
    }

    pub(crate) fn place(&self) -> Place {
        Place {
            file: self.function.file(),
            line: self.line,
            column: self.column,
            function: Some(self.function),
        }
    }
}

/// Panics with the location of the call site; without one, of the function's name; without that, of this function.
///
/// # Panics
///
/// Always.
pub(crate) fn panic_at(
    site: Option<&'static Site>,
    function: Option<&'static Function>,
    message: &str,
) -> ! {
    match (site, function) {
        (Some(site), _) => site.function.panic_at(Some(site.index), message),
        (None, Some(function)) => function.panic_at(None, message),
        (None, None) => panic!("{message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::function::panic_here;

    #[test]
    fn a_site_has_only_the_evidence_that_is_written_down() {
        static FUNCTION: TrackedFn = TrackedFn::written(
            (),
            |_, message| panic_here(message),
            file!(),
            "site 1:1 begin; site 1:1 begin stays 7:1-9:1",
        );
        let (plain, staying) = (FUNCTION.site(0), FUNCTION.site(1));
        assert!(!plain.stays() && plain.is_in_block(1, 1));
        assert!(staying.stays() && staying.is_in_block(8, 1) && !staying.is_in_block(1, 1));
    }
}
