//! How a finding is reported, and how certain its cause is.

use std::fmt;
use std::str::FromStr;

/// What happens when a lint finds something; the words are `rustc`'s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case")
)]
pub enum Level {
    /// Nothing: not looked for, not counted, not told to [`on_finding`](crate::leash::on_finding).
    Allow,
    /// An event at WARN.
    Warn,
    /// A panic on the path on which the program is running anyway; an event at ERROR where there must be no panic.
    Deny,
}

impl Level {
    /// The name in configuration and attributes: `allow`, `warn`, `deny`.
    pub const fn name(self) -> &'static str {
        match self {
            Level::Allow => "allow",
            Level::Warn => "warn",
            Level::Deny => "deny",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Level {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "allow" => Ok(Level::Allow),
            "warn" => Ok(Level::Warn),
            "deny" => Ok(Level::Deny),
            _ => Err(UnknownName(name.to_owned())),
        }
    }
}

/// How sure a finding is of its cause. Only what is certain can panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case")
)]
pub enum Certainty {
    /// The evidence allows no other reading.
    Certain,
    /// The evidence points there; something that is not seen could still explain it.
    Likely,
    /// The occurrence is certain, its cause is not known.
    Unknown,
}

impl fmt::Display for Certainty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Certainty::Certain => "certain",
            Certainty::Likely => "likely",
            Certainty::Unknown => "unknown",
        })
    }
}

/// There is no lint or level of this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownName(pub(crate) String);

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown name `{}`", self.0)
    }
}

impl std::error::Error for UnknownName {}
