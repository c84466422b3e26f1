//! Limits of lints, and their units.

use std::fmt;
use std::time::Duration;

/// The limit of a lint. Limits are inclusive: at 10, the tenth occurrence is reported.
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

/// The unit of a limit.
#[cfg(feature = "track")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Time,
    Count,
    Percent,
    PerSecond,
    /// The lint has no limit.
    None,
}

#[cfg(feature = "track")]
impl Limit {
    /// The duration, if the limit is one.
    pub(crate) fn time(self) -> Option<Duration> {
        match self {
            Limit::Time(limit) => Some(limit),
            _ => None,
        }
    }

    /// The number of occurrences, if the limit is one.
    pub(crate) fn count(self) -> Option<u64> {
        match self {
            Limit::Count(limit) => Some(limit),
            _ => None,
        }
    }

    pub(crate) fn unit(self) -> Unit {
        match self {
            Limit::Time(_) => Unit::Time,
            Limit::Count(_) => Unit::Count,
            Limit::Percent(_) => Unit::Percent,
            Limit::PerSecond(_) => Unit::PerSecond,
        }
    }
}
