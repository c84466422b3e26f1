//! One entry of a configuration: a level, a limit, or both, for some lints.

use crate::finding::{Group, Level, Limit, Lint};

/// A level, a limit, or both, for some lints.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) of: Selector,
    /// The name of the only pool that it is for; `None` if it is for all.
    pub(super) pool: Option<String>,
    pub(super) level: Option<Level>,
    pub(super) limit: Option<Limit>,
}

/// The lints that an entry is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Selector {
    Lint(Lint),
    Group(Group),
}

impl Entry {
    /// How specific the entry is for a lint and pool: the higher rank wins. `None` if the entry is not for them.
    pub(super) fn rank(&self, lint: Lint, pool: Option<&str>) -> Option<u8> {
        let rank = match self.of {
            Selector::Lint(of) if of == lint => 2,
            Selector::Group(of) if of.contains(lint) => 0,
            _ => return None,
        };
        match (self.pool.as_deref(), pool) {
            (None, _) => Some(rank),
            (Some(of), Some(pool)) if of == pool => Some(rank + 1),
            _ => None,
        }
    }
}
