//! Databases that are in no file of the program's.

/// A database that SQLite deletes when the last connection to it is closed.
#[cfg_attr(
    not(feature = "_sqlite"),
    allow(dead_code, reason = "only SQLite's connect options name one")
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InMemory {
    /// Each connection has a temporary file of its own.
    Temporary,
    /// Each connection has a database of its own in memory.
    OfConnection,
    /// The connections of the pool share one, and no other code can open it.
    OfPool,
    /// Each connection of the process that names it shares it.
    Named,
}

impl InMemory {
    /// Whether each connection has a database of its own.
    pub(crate) fn is_of_connection(self) -> bool {
        matches!(self, InMemory::Temporary | InMemory::OfConnection)
    }

    /// Whether a connection of other code may keep it.
    pub(crate) fn may_be_kept_elsewhere(self) -> bool {
        self == InMemory::Named
    }

    pub(crate) fn noun(self) -> &'static str {
        match self {
            InMemory::Temporary => "temporary database",
            InMemory::OfConnection | InMemory::OfPool | InMemory::Named => "in-memory database",
        }
    }
}
