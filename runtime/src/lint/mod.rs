//! What can be wrong, how loudly it is said, and one occurrence of it.

use std::fmt;
use std::str::FromStr;

#[cfg(feature = "track")]
mod budget;
#[cfg(feature = "track")]
mod deadlock;
#[cfg(feature = "track")]
mod describe;
#[cfg(feature = "track")]
mod emit;
mod finding;
#[cfg(feature = "track")]
mod held;
#[cfg(feature = "track")]
mod leak;
mod limit;
#[cfg(feature = "track")]
mod nested;
#[cfg(feature = "track")]
mod pool;
#[cfg(feature = "track")]
mod rollback;
#[cfg(feature = "track")]
mod slow;
#[cfg(feature = "track")]
mod timeout;
mod verdict;

#[cfg(feature = "track")]
pub(crate) use self::{
    budget::query_budget,
    deadlock::pool_deadlock,
    emit::{Collector, Reaction, on_finding, read_all},
    held::{held_idle, held_too_long},
    leak::outlived_scope,
    limit::Unit,
    nested::taken,
    pool::{PressureSamples, Unaccounted, close_blocked, pool_pressure, unaccounted_connections},
    rollback::implicit_rollback,
    slow::{slow_query_ended, slow_query_running},
    timeout::{Diagnosis, pool_timeout, recovered},
};
pub use finding::{CallSite, Fact, Finding, Related};
pub use limit::Limit;
pub use verdict::Verdict;

/// Panics at the call site, or at the function's name where that is all that is known.
#[cfg(feature = "track")]
pub(crate) fn stop(
    site: Option<&'static crate::site::Site>,
    function: Option<&'static crate::site::Function>,
    message: &str,
) -> ! {
    match (site, function) {
        (Some(site), _) => site.stop(message),
        (None, Some(function)) => function.stop(message),
        (None, None) => panic!("{message}"),
    }
}

/// A named thing that can be wrong with how a program uses its pools.
///
/// Names are written as in `rustc`: `outlived_scope` in configuration and logs, [`Lint::OutlivedScope`] in code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum Lint {
    /// A handle is still alive after the function that took it has returned.
    OutlivedScope,
    /// Every permit is held by a scope that itself waits for one.
    PoolDeadlock,
    /// `acquire` gave up waiting.
    PoolTimeout,
    /// A second permit of a pool is taken while holding one.
    NestedAcquire,
    /// A query went to the pool while a transaction of that pool was open.
    OutsideTransaction,
    /// A handle is held without talking to the database.
    HeldIdle,
    /// A handle is held for longer than a set limit, busy or not.
    HeldTooLong,
    /// A transaction that wrote was dropped without commit or rollback.
    ImplicitRollback,
    /// One call site ran many times in one root scope, with differing arguments.
    NPlusOne,
    /// One call site ran many times in one root scope, with the same arguments.
    RedundantQuery,
    /// A scope sent more queries than its budget.
    QueryBudget,
    /// A statement took longer than its limit.
    SlowQuery,
    /// A pool stays close to its limit.
    PoolPressure,
    /// Permits are in use by nobody that is known.
    UnaccountedConnections,
    /// `Pool::close` waits for a handle.
    CloseBlocked,
    /// Connections are opened and closed all the time.
    ConnectionChurn,
    /// One call site keeps many pools on one database.
    DuplicatePool,
}

impl Lint {
    /// Every lint, in the order in which the documentation lists them.
    pub const ALL: [Lint; 17] = [
        Lint::OutlivedScope,
        Lint::PoolDeadlock,
        Lint::PoolTimeout,
        Lint::NestedAcquire,
        Lint::OutsideTransaction,
        Lint::HeldIdle,
        Lint::HeldTooLong,
        Lint::ImplicitRollback,
        Lint::NPlusOne,
        Lint::RedundantQuery,
        Lint::QueryBudget,
        Lint::SlowQuery,
        Lint::PoolPressure,
        Lint::UnaccountedConnections,
        Lint::CloseBlocked,
        Lint::ConnectionChurn,
        Lint::DuplicatePool,
    ];

    /// The name in configuration, attributes and logs: `outlived_scope`.
    pub const fn name(self) -> &'static str {
        match self {
            Lint::OutlivedScope => "outlived_scope",
            Lint::PoolDeadlock => "pool_deadlock",
            Lint::PoolTimeout => "pool_timeout",
            Lint::NestedAcquire => "nested_acquire",
            Lint::OutsideTransaction => "outside_transaction",
            Lint::HeldIdle => "held_idle",
            Lint::HeldTooLong => "held_too_long",
            Lint::ImplicitRollback => "implicit_rollback",
            Lint::NPlusOne => "n_plus_one",
            Lint::RedundantQuery => "redundant_query",
            Lint::QueryBudget => "query_budget",
            Lint::SlowQuery => "slow_query",
            Lint::PoolPressure => "pool_pressure",
            Lint::UnaccountedConnections => "unaccounted_connections",
            Lint::CloseBlocked => "close_blocked",
            Lint::ConnectionChurn => "connection_churn",
            Lint::DuplicatePool => "duplicate_pool",
        }
    }
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
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

impl FromStr for Lint {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Lint::ALL
            .into_iter()
            .find(|lint| lint.name() == name)
            .ok_or_else(|| UnknownName(name.to_owned()))
    }
}

/// What happens when a lint finds something; the words are `rustc`'s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case")
)]
pub enum Level {
    /// Nothing: not looked for, not counted, not told to [`on_finding`](super::leash::on_finding).
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

/// The page of a lint, as Markdown: what it says, why it matters, an example that triggers it, the fix.
pub const fn explain(lint: Lint) -> &'static str {
    match lint {
        Lint::OutlivedScope => include_str!("pages/outlived_scope.md"),
        Lint::PoolDeadlock => include_str!("pages/pool_deadlock.md"),
        Lint::PoolTimeout => include_str!("pages/pool_timeout.md"),
        Lint::NestedAcquire => include_str!("pages/nested_acquire.md"),
        Lint::OutsideTransaction => include_str!("pages/outside_transaction.md"),
        Lint::HeldIdle => include_str!("pages/held_idle.md"),
        Lint::HeldTooLong => include_str!("pages/held_too_long.md"),
        Lint::ImplicitRollback => include_str!("pages/implicit_rollback.md"),
        Lint::QueryBudget => include_str!("pages/query_budget.md"),
        Lint::SlowQuery => include_str!("pages/slow_query.md"),
        Lint::PoolPressure => include_str!("pages/pool_pressure.md"),
        Lint::UnaccountedConnections => include_str!("pages/unaccounted_connections.md"),
        Lint::CloseBlocked => include_str!("pages/close_blocked.md"),
        Lint::NPlusOne | Lint::RedundantQuery | Lint::ConnectionChurn | Lint::DuplicatePool => {
            include_str!("pages/not_yet.md")
        }
    }
}

/// The pages' examples, tested: each must trigger its lint.
#[cfg(all(doctest, feature = "track", feature = "_sqlite"))]
mod pages {
    #[doc = include_str!("pages/outlived_scope.md")]
    mod outlived_scope {}
    #[doc = include_str!("pages/pool_deadlock.md")]
    mod pool_deadlock {}
    #[doc = include_str!("pages/pool_timeout.md")]
    mod pool_timeout {}
    #[doc = include_str!("pages/nested_acquire.md")]
    mod nested_acquire {}
    #[doc = include_str!("pages/outside_transaction.md")]
    mod outside_transaction {}
    #[doc = include_str!("pages/held_idle.md")]
    mod held_idle {}
    #[doc = include_str!("pages/held_too_long.md")]
    mod held_too_long {}
    #[doc = include_str!("pages/implicit_rollback.md")]
    mod implicit_rollback {}
    #[doc = include_str!("pages/query_budget.md")]
    mod query_budget {}
    #[doc = include_str!("pages/slow_query.md")]
    mod slow_query {}
    #[doc = include_str!("pages/pool_pressure.md")]
    mod pool_pressure {}
    #[doc = include_str!("pages/unaccounted_connections.md")]
    mod unaccounted_connections {}
    #[doc = include_str!("pages/close_blocked.md")]
    mod close_blocked {}
}
