//! From where on a lint speaks.

use std::fmt;
use std::time::Duration;

/// The limit of a lint. Limits are inclusive: at 10, the tenth is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// A duration.
    Time(Duration),
    /// A number of occurrences.
    Count(u64),
    /// A share of the pool, in percent.
    Percent(u32),
    /// Occurrences per second.
    PerSecond(u32),
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Limit::Time(limit) => write!(f, "{limit:?}"),
            Limit::Count(limit) => write!(f, "{limit}"),
            Limit::Percent(limit) => write!(f, "{limit}%"),
            Limit::PerSecond(limit) => write!(f, "{limit}/s"),
        }
    }
}

impl From<Duration> for Limit {
    fn from(limit: Duration) -> Self {
        Limit::Time(limit)
    }
}

impl From<u64> for Limit {
    fn from(limit: u64) -> Self {
        Limit::Count(limit)
    }
}
