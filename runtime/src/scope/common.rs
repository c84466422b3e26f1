//! The innermost scope that the calls of a site have in common, and what repeats below it.

use std::panic::Location;
use std::ptr;

use smallvec::SmallVec;

use crate::source::function::Function;

/// A chain of scopes is followed this far down from its root.
const DEPTH: usize = 8;

/// Of several places at which calls are awaited, this many are kept.
const PLACES: usize = 4;

/// The scopes around a statement, from its root scope on.
pub(crate) type Path = SmallVec<[Step; 4]>;

/// The innermost scope around a statement.
pub(crate) trait Innermost {
    fn step(&self) -> Step;

    /// The number of the scope around it.
    fn outer(&self) -> Option<u64>;

    /// The scopes from its root scope to it.
    fn path(&self) -> Path;
}

/// What the calls of a site have in common.
#[derive(Debug)]
pub(crate) struct Common {
    /// The scopes that all calls are in, outermost first.
    path: Path,
    below: Below,
    /// Where the innermost common scope awaits the calls, if there are [several](Below::Several) places; `None` is the statement
    /// itself. One more than [`PLACES`] if there are more.
    places: SmallVec<[Option<&'static Location<'static>>; PLACES + 1]>,
    /// The scopes of one of the calls.
    one: Path,
    /// Whether a call was sent by a function within itself.
    recurs: bool,
}

/// A scope on the way from the root scope to a statement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// The scope's own number.
    pub(super) scope: u64,
    pub(super) function: &'static Function,
    /// Whether it is a task that carries the scope of that function.
    pub(super) is_branch: bool,
    pub(super) awaited_at: &'static Location<'static>,
}

/// What stands between the innermost common scope and the calls.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Below {
    /// Nothing: the statements are sent in that scope.
    Nothing,
    /// A function that is awaited at one place in it, or a task of its own that takes the scope along there.
    Callee {
        function: &'static Function,
        is_branch: bool,
        awaited_at: &'static Location<'static>,
    },
    /// Different functions, or one that is awaited at different places.
    Several,
}

impl Common {
    pub(super) fn of(path: Path) -> Self {
        Self {
            recurs: recurs(&path),
            one: path.clone(),
            path,
            below: Below::Nothing,
            places: SmallVec::new(),
        }
    }

    /// Narrows the scopes to those that a further call is in as well.
    pub(super) fn narrow(&mut self, other: &dyn Innermost) {
        if !self.has_one_like(other) {
            self.narrow_to(&other.path());
        }
    }

    /// Whether a call in this scope changes nothing, as nearly all do: it is the innermost common one, or a further run of
    /// the function below that.
    fn has_one_like(&self, other: &dyn Innermost) -> bool {
        let common = self.path.last().map(|step| step.scope);
        match self.below {
            Below::Nothing => common == Some(other.step().scope),
            Below::Callee { awaited_at, .. } => {
                common == other.outer() && ptr::eq(awaited_at, other.step().awaited_at)
            }
            Below::Several => false,
        }
    }

    fn narrow_to(&mut self, other: &Path) {
        self.recurs |= recurs(other);
        let pairs = self.path.iter().zip(other);
        let shared = pairs
            .take_while(|(one, other)| one.scope == other.scope)
            .count();
        let to_this = other.get(shared).map(Step::below);
        let to_the_others = match self.path.get(shared) {
            Some(step) => Some(step.below()),
            None => match self.below {
                Below::Nothing => None,
                below => Some(below),
            },
        };
        self.below = match (to_the_others, to_this) {
            (None, None) => Below::Nothing,
            (Some(one), Some(other)) if one.is_same_as(other) => one,
            (others, this) => {
                if !matches!(others, Some(Below::Several)) {
                    self.places.clear();
                    self.add_place(others);
                }
                self.add_place(this);
                Below::Several
            }
        };
        self.path.truncate(shared);
    }

    fn add_place(&mut self, below: Option<Below>) {
        let place = match below {
            Some(Below::Callee { awaited_at, .. }) => Some(awaited_at),
            _ => None,
        };
        if self.places.len() <= PLACES && !self.places.contains(&place) {
            self.places.push(place);
        }
    }

    /// Where the innermost common scope awaits the calls, if there are several places and all are known.
    pub(crate) fn places(&self) -> Option<&[Option<&'static Location<'static>>]> {
        let is_all = self.places.len() <= PLACES;
        (matches!(self.below, Below::Several) && is_all).then_some(&*self.places)
    }

    /// The function of the innermost common scope.
    pub(crate) fn function(&self) -> Option<&'static Function> {
        self.path.last().map(|step| step.function)
    }

    pub(crate) fn below(&self) -> Below {
        self.below
    }

    /// Whether a call was sent by a function within itself.
    pub(crate) fn recurs(&self) -> bool {
        self.recurs
    }

    /// The functions between the common scope and one of the calls, outermost first, each with the place at which it awaits
    /// the next. The last one awaits the statement.
    pub(crate) fn inwards(
        &self,
    ) -> impl Iterator<Item = (&'static Function, Option<&'static Location<'static>>)> {
        let inner = &self.one[self.path.len().min(self.one.len())..];
        let next = inner.iter().skip(1).map(|step| Some(step.awaited_at));
        let functions = inner.iter().map(|step| step.function);
        functions.zip(next.chain(std::iter::once(None)))
    }
}

impl Step {
    fn below(&self) -> Below {
        Below::Callee {
            function: self.function,
            is_branch: self.is_branch,
            awaited_at: self.awaited_at,
        }
    }
}

impl Below {
    fn is_same_as(self, other: Self) -> bool {
        match (self, other) {
            (Below::Nothing, Below::Nothing) => true,
            (
                Below::Callee {
                    awaited_at: one, ..
                },
                Below::Callee {
                    awaited_at: other, ..
                },
            ) => one == other,
            _ => false,
        }
    }
}

/// Whether the function of the innermost scope is one of those around it.
fn recurs(path: &Path) -> bool {
    path.split_last().is_some_and(|(last, around)| {
        let is_last = |step: &Step| !step.is_branch && std::ptr::eq(step.function, last.function);
        !last.is_branch && around.iter().any(is_last)
    })
}

/// A path from steps, innermost first.
pub(super) fn path(inwards: impl Iterator<Item = Step>) -> Path {
    let mut path: Path = inwards.collect();
    path.reverse();
    path.truncate(DEPTH);
    path
}
