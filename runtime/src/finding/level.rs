//! How a finding is reported, and how certain its cause is.

use std::fmt;
use std::str::FromStr;

/// What happens when a lint finds something. The words are those of `rustc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case")
)]
pub enum Level {
    /// Nothing: findings are not looked for, not counted and not passed to [`on_finding`](crate::leash::on_finding).
    Allow,
    /// An event at WARN.
    Warn,
    /// A panic, on the path on which the program is running anyway. An event at ERROR where there must be no panic: in
    /// a release build, in a destructor, and for a finding that is not certain, unless `fail=likely` is set.
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

/// How certain the cause of a finding is. Only a certain one can panic, unless `fail=likely` is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case")
)]
pub enum Certainty {
    /// The evidence allows no other reading.
    Certain,
    /// The evidence points to it, but something that is not seen could be the cause.
    Likely,
    /// The occurrence is certain, but its cause is not known.
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

/// The error of parsing a name that is no lint or no level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownName(pub(crate) String);

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown name `{}`", self.0)
    }
}

impl std::error::Error for UnknownName {}
