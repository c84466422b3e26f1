//! What spans are made of.

/// What `tracing` spans are made of: see [`leash::guide::spans`](crate::leash::guide::spans).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Spans {
    /// Nothing: the default.
    #[default]
    Off,
    /// Statements.
    Statements,
    /// Statements, transactions, the operations on connections (begin, commit, rollback, savepoint, ping, prepare, describe),
    /// and waits for a permit that take longer than 1 ms.
    All,
}

#[cfg(feature = "track")]
impl Spans {
    /// The words of a configuration.
    pub(super) fn of(text: &str) -> Option<Self> {
        Some(match text {
            "off" => Self::Off,
            "statements" => Self::Statements,
            "all" => Self::All,
            _ => return None,
        })
    }
}
