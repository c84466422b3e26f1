//! Why an acquire timed out.

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
    /// Every permit is held by a scope that itself waits for a permit.
    Deadlock,
    /// Permits are held without being used.
    Hoarder,
    /// Every permit is in use, and the load needs more.
    Capacity,
    /// A permit is free, but no connection to the server can be made.
    Unreachable,
    /// Permits are in use, and no known handle holds them: untracked code does, or connections are still on their way back.
    Unaccounted,
    /// The async runtime did not poll the waiting task in time.
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
