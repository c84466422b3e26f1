//! Why a pool ran dry.

use std::fmt;

/// Why an acquire timed out: the verdict of a `pool_timeout`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum Verdict {
    /// Every permit is held by a scope that itself waits for one.
    Deadlock,
    /// Somebody holds permits without using them.
    Hoarder,
    /// Every permit is in use; there are fewer than the load needs.
    Capacity,
    /// There are permits, and no connection can be made.
    Unreachable,
    /// Permits are in use by nobody that is known.
    Unaccounted,
    /// The async runtime did not get to run what waits.
    RuntimeStall,
    /// The evidence shows no cause.
    Unknown,
}

impl Verdict {
    /// The name in logs: `deadlock`, `runtime_stall`.
    pub const fn name(self) -> &'static str {
        match self {
            Verdict::Deadlock => "deadlock",
            Verdict::Hoarder => "hoarder",
            Verdict::Capacity => "capacity",
            Verdict::Unreachable => "unreachable",
            Verdict::Unaccounted => "unaccounted",
            Verdict::RuntimeStall => "runtime_stall",
            Verdict::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
