//! The lints: one row each. Every list of lints is made from these rows or tested against them.

use std::fmt;
use std::str::FromStr;
#[cfg(feature = "track")]
use std::time::Duration;

use super::level::UnknownName;
#[cfg(feature = "track")]
use super::limit::{Limit, Unit};

#[cfg(all(test, feature = "track"))]
mod tests;

/// Makes the enum, its names, its table, and a doc test of each page from the rows.
macro_rules! lints {
    ($(
        #[doc = $says:literal]
        $lint:ident = $name:ident {
            group: $group:ident,
            stance: $stance:ident,
            unit: $unit:ident,
            limit: $limit:expr,
            example: $example:literal,
        }
    )+) => {
        /// A named problem in how a program uses its pools.
        ///
        /// The names follow `rustc`: `outlived_scope` in configuration and logs, [`Lint::OutlivedScope`] in code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(
            feature = "serde",
            derive(serde::Serialize),
            serde(rename_all = "snake_case")
        )]
        #[non_exhaustive]
        pub enum Lint {
            $(#[doc = $says] $lint,)+
        }

        impl Lint {
            /// Every lint, in the order in which the documentation lists them.
            pub const ALL: [Lint; [$(stringify!($name)),+].len()] = [$(Lint::$lint),+];
        }

        static ROWS: [Row; Lint::ALL.len()] = [$(Row {
            name: stringify!($name),
            page: include_str!(concat!("pages/", stringify!($name), ".md")),
            #[cfg(feature = "track")]
            group: Group::$group,
            #[cfg(feature = "track")]
            stance: Stance::$stance,
            #[cfg(feature = "track")]
            unit: Unit::$unit,
            #[cfg(feature = "track")]
            limit: $limit,
            #[cfg(all(test, feature = "track"))]
            says: $says,
            #[cfg(all(test, feature = "track"))]
            example: $example,
        }),+];

        /// Tests the examples of the pages: each that runs must trigger its lint.
        #[cfg(all(doctest, feature = "track", feature = "_sqlite"))]
        mod pages {
            $(
                #[doc = include_str!(concat!("pages/", stringify!($name), ".md"))]
                mod $name {}
            )+
        }
    };
}

lints! {
    /// A function returned, and a handle that it took is still alive.
    OutlivedScope = outlived_scope {
        group: Leaks,
        stance: Deny,
        unit: None,
        limit: None,
        example: "",
    }
    /// Every permit is held by a scope that waits for a permit.
    PoolDeadlock = pool_deadlock {
        group: Pool,
        stance: Deny,
        unit: None,
        limit: None,
        example: "",
    }
    /// An acquire, or a pool's first connect, timed out: what holds the permits, and why none was free.
    PoolTimeout = pool_timeout {
        group: Pool,
        stance: Warn,
        unit: None,
        limit: None,
        example: "",
    }
    /// A permit is taken while the scope holds another one of the same pool.
    NestedAcquire = nested_acquire {
        group: Pool,
        stance: Warn,
        unit: None,
        limit: None,
        example: "",
    }
    /// A query went to `&pool` while a transaction of that pool was open.
    OutsideTransaction = outside_transaction {
        group: Queries,
        stance: Warn,
        unit: None,
        limit: None,
        example: "",
    }
    /// A handle is held, and nothing is sent on it.
    HeldIdle = held_idle {
        group: Leaks,
        stance: Warn,
        unit: Time,
        limit: Some(Limit::Time(Duration::from_secs(5))),
        example: "\"60s\"",
    }
    /// A handle is held for longer than a limit, busy or not.
    HeldTooLong = held_too_long {
        group: Leaks,
        stance: WarnWhereLimited,
        unit: Time,
        limit: None,
        example: "\"5m\"",
    }
    /// A transaction that had written was dropped, and no error was returned.
    ImplicitRollback = implicit_rollback {
        group: Leaks,
        stance: Warn,
        unit: None,
        limit: None,
        example: "",
    }
    /// A transaction is used or committed after the server has failed or ended it.
    FailedTransaction = failed_transaction {
        group: Queries,
        stance: Warn,
        unit: None,
        limit: None,
        example: "",
    }
    /// A connection goes back to its pool with state that a statement has set.
    SessionState = session_state {
        group: Leaks,
        stance: Warn,
        unit: None,
        limit: None,
        example: "",
    }
    /// A statement, a begin or a commit failed because the SQLite database is locked.
    DatabaseLocked = database_locked {
        group: Queries,
        stance: Warn,
        unit: None,
        limit: None,
        example: "",
    }
    /// One call site ran many times in one root scope, with differing arguments.
    NPlusOne = n_plus_one {
        group: Queries,
        stance: Warn,
        unit: Count,
        limit: Some(Limit::Count(10)),
        example: "20",
    }
    /// One call site ran many times in one root scope, with the same arguments.
    RedundantQuery = redundant_query {
        group: Queries,
        stance: Warn,
        unit: Count,
        limit: Some(Limit::Count(5)),
        example: "5",
    }
    /// A function sent more statements than `max_queries`.
    QueryBudget = query_budget {
        group: Queries,
        stance: Deny,
        unit: Count,
        limit: None,
        example: "3",
    }
    /// A statement takes long; reported while it still runs.
    SlowQuery = slow_query {
        group: Queries,
        stance: Warn,
        unit: Time,
        limit: Some(Limit::Time(Duration::from_secs(1))),
        example: "\"200ms\"",
    }
    /// Nearly all permits of a pool are in use, sample after sample.
    PoolPressure = pool_pressure {
        group: Pool,
        stance: Warn,
        unit: Percent,
        limit: Some(Limit::Percent(90)),
        example: "\"90%\"",
    }
    /// Permits are in use, and no known handle holds them.
    UnaccountedConnections = unaccounted_connections {
        group: Pool,
        stance: Warn,
        unit: Time,
        limit: Some(Limit::Time(Duration::from_secs(10))),
        example: "\"10s\"",
    }
    /// `Pool::close` waits for handles.
    CloseBlocked = close_blocked {
        group: Pool,
        stance: Warn,
        unit: Time,
        limit: Some(Limit::Time(Duration::from_secs(5))),
        example: "\"5s\"",
    }
    /// A pool's options contradict themselves or its database.
    PoolSettings = pool_settings {
        group: Pool,
        stance: Warn,
        unit: None,
        limit: None,
        example: "",
    }
    /// A pool opens and closes connections all the time, and why.
    ConnectionChurn = connection_churn {
        group: Pool,
        stance: Warn,
        unit: PerSecond,
        limit: Some(Limit::PerSecond(1)),
        example: "\"2/s\"",
    }
    /// One call site keeps many pools on one database.
    DuplicatePool = duplicate_pool {
        group: Pool,
        stance: Warn,
        unit: Count,
        limit: Some(Limit::Count(3)),
        example: "3",
    }
}

/// The row of a lint.
struct Row {
    name: &'static str,
    page: &'static str,
    #[cfg(feature = "track")]
    group: Group,
    #[cfg(feature = "track")]
    stance: Stance,
    #[cfg(feature = "track")]
    unit: Unit,
    #[cfg(feature = "track")]
    limit: Option<Limit>,
    /// What it reports, in the words of the README.
    #[cfg(all(test, feature = "track"))]
    says: &'static str,
    /// A limit that the error messages of the attribute propose.
    #[cfg(all(test, feature = "track"))]
    example: &'static str,
}

/// The default level of a lint.
#[cfg(feature = "track")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stance {
    /// Deny in a debug build, warn in release.
    Deny,
    Warn,
    /// Warn where a limit is set, else allow.
    WarnWhereLimited,
}

/// A group of lints, for their levels.
#[cfg(feature = "track")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    All,
    Leaks,
    Pool,
    Queries,
}

#[cfg(feature = "track")]
impl Group {
    pub(crate) const ALL: [Group; 4] = [Group::All, Group::Leaks, Group::Pool, Group::Queries];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Group::All => "all",
            Group::Leaks => "leaks",
            Group::Pool => "pool",
            Group::Queries => "queries",
        }
    }

    pub(crate) fn contains(self, lint: Lint) -> bool {
        self == Group::All || self == lint.row().group
    }
}

impl Lint {
    /// The name in configuration, attributes and logs: `outlived_scope`.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    const fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }
}

#[cfg(feature = "track")]
impl Lint {
    pub(crate) fn stance(self) -> Stance {
        self.row().stance
    }

    /// The unit of its limit.
    pub(crate) fn unit(self) -> Unit {
        self.row().unit
    }

    pub(crate) fn default_limit(self) -> Option<Limit> {
        self.row().limit
    }
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Lint {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Lint::ALL
            .into_iter()
            .find(|lint| lint.name() == name)
            .ok_or_else(|| UnknownName(name.to_owned()))
    }
}

/// Returns the page of a lint as Markdown: what it reports, why that matters, an example that triggers it, and the fix.
pub const fn explain(lint: Lint) -> &'static str {
    lint.row().page
}
