//! One entry of a configuration: a level, a limit, or both, for some lints.

use crate::finding::{Group, Level, Limit, Lint};

/// A level, a limit, or both, for some lints.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) of: Selector,
    pub(super) pool: Option<String>,
    pub(super) level: Option<Level>,
    pub(super) limit: Option<Limit>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Selector {
    Lint(Lint),
    Group(Group),
}

impl Entry {
    /// How closely the entry speaks of a lint and pool; `None` where it does not.
    pub(super) fn rank(&self, lint: Lint, pool: Option<&str>) -> Option<u8> {
        let closeness = match self.of {
            Selector::Lint(of) if of == lint => 2,
            Selector::Group(of) if of.contains(lint) => 0,
            _ => return None,
        };
        match (self.pool.as_deref(), pool) {
            (None, _) => Some(closeness),
            (Some(of), Some(pool)) if of == pool => Some(closeness + 1),
            _ => None,
        }
    }
}
