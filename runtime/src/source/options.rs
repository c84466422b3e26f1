//! What the words of `#[track(…)]` set for a function.

use std::time::Duration;

use crate::finding::{Level, Limit, Lint};

/// The options of a tracked function.
#[derive(Debug)]
#[cfg_attr(
    feature = "tower",
    expect(
        clippy::struct_excessive_bools,
        reason = "each is a word of the attribute, or a kind of function"
    )
)]
pub struct Options {
    name: Option<&'static str>,
    root: bool,
    of_test: bool,
    #[cfg(feature = "tower")]
    request: bool,
    returns_handle: bool,
    levels: &'static [(Lint, Level, &'static str)],
    limits: &'static [(Lint, Limit)],
}

impl Options {
    /// Those of a function whose attribute has no words.
    pub const NONE: Self = Self {
        name: None,
        root: false,
        of_test: false,
        #[cfg(feature = "tower")]
        request: false,
        returns_handle: false,
        levels: &[],
        limits: &[],
    };

    /// `name = "…"`.
    #[must_use]
    pub const fn named(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }

    /// `root`.
    #[must_use]
    pub const fn root(mut self) -> Self {
        self.root = true;
        self
    }

    /// The function stands for what a test looks at.
    pub(crate) const fn of_test(mut self) -> Self {
        self.of_test = true;
        self
    }

    /// The function stands for the requests of a route.
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

    pub(super) fn name(&self) -> Option<&'static str> {
        self.name
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
}
