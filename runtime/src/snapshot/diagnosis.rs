//! What a doctor found out about a pool and its server, as plain data.

use std::fmt;
use std::time::Duration;

/// A pool's options compared with the limits of its server. [`leash::doctor`](crate::leash::doctor) returns it.
///
/// `Display` prints a table of the checks, and below it a sentence for each that is not ok.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Diagnosis {
    /// The pool's name.
    pub pool: String,
    /// The name of the database system in OpenTelemetry: `postgresql`, `mysql`, `sqlite`.
    pub system: String,
    /// Product and version as the server reports them; `None` if it did not answer.
    pub server: Option<String>,
    /// Time from the beginning of the connect to the last answer.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "took_ms", serialize_with = "crate::millis::serialize")
    )]
    pub took: Duration,
    /// The checks. Each database has the same ones in the same order, whatever their results.
    pub checks: Vec<Check>,
    /// What the checks do not see.
    pub notes: Vec<String>,
}

impl Diagnosis {
    /// The worst result of all checks; `None` if there is no check.
    pub fn verdict(&self) -> Option<CheckVerdict> {
        self.checks.iter().map(|check| check.verdict).max()
    }

    /// The check of that name.
    pub fn check(&self, name: &str) -> Option<&Check> {
        self.checks.iter().find(|check| check.name == name)
    }

    /// The checks that found something to change.
    pub fn warnings(&self) -> impl Iterator<Item = &Check> {
        let checks = self.checks.iter();
        checks.filter(|check| check.verdict == CheckVerdict::Warning)
    }
}

/// One comparison of a [`Diagnosis`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Check {
    /// Its name, after the option of the pool or the lint that it is about: `idle_timeout`, `held_idle`. The guide's page
    /// `doctor` lists all of them.
    pub name: &'static str,
    /// The result.
    pub verdict: CheckVerdict,
    /// The value on the side of the program.
    pub program: Option<Setting>,
    /// The value on the side of the server; `None` if it is not known.
    pub server: Option<Setting>,
    /// The result in words, with the reason if it is unknown.
    pub text: String,
    /// What to write instead, best first. Empty unless the result is a warning.
    pub help: Vec<String>,
}

/// The result of a [`Check`]. The worse one is the greater one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum CheckVerdict {
    /// Both sides agree.
    Ok,
    /// The server did not answer, or something in between hides the answer.
    Unknown,
    /// Both sides are known, and they do not agree.
    Warning,
}

impl fmt::Display for CheckVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            CheckVerdict::Ok => "ok",
            CheckVerdict::Unknown => "unknown",
            CheckVerdict::Warning => "warning",
        })
    }
}

/// A setting of the program or of the server with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Setting {
    /// Its name, where it is read or written.
    pub name: String,
    /// Its value.
    pub value: SettingValue,
}

/// The value of a [`Setting`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum SettingValue {
    /// A time.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "time_ms", serialize_with = "crate::millis::serialize")
    )]
    Time(Duration),
    /// A number of connections.
    Count(u64),
    /// There is no limit.
    Unlimited,
    /// Something else, such as a journal mode.
    Text(String),
}
