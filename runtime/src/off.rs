//! The whole off mode of `leash`: every public name, doing nothing.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use sqlx::{Database, Pool};

use crate::config::ConfigError;
use crate::finding::{Finding, Level, Limit, Lint};
use crate::snapshot::Snapshot;

/// What code generic over the database needs beside sqlx's own bounds to execute on `&Pool<DB>`. Off: every database.
pub trait Backend: Database {}

impl<DB: Database> Backend for DB {}

/// What a connection or transaction dereferences to. Off: the driver's own connection.
pub type Conn<'c, DB> = <DB as ConnOf<'c>>::Conn;

/// Gives the alias [`Conn`] a use for its lifetime.
#[doc(hidden)]
pub trait ConnOf<'c>: Database {
    /// The connection.
    type Conn;
}

impl<DB: Database> ConnOf<'_> for DB {
    type Conn = DB::Connection;
}

/// What a pool can do beside what sqlx's can.
pub trait PoolExt: Sized {
    /// The pool's database.
    type Database: Database;

    /// Names the pool in logs and findings. Off: nothing.
    #[must_use]
    fn named(self, name: impl Into<String>) -> Self;

    /// The pool as plain sqlx knows it. Off: the pool itself.
    fn as_sqlx(&self) -> &Pool<Self::Database>;
}

impl<DB: Database> PoolExt for Pool<DB> {
    type Database = DB;

    #[inline]
    fn named(self, _name: impl Into<String>) -> Self {
        self
    }

    #[inline]
    fn as_sqlx(&self) -> &Pool<DB> {
        self
    }
}

/// What a handle can do beside what sqlx's can.
pub trait HandleExt: Sized {
    /// Says that this handle is meant to live long, and why. Off: nothing.
    #[must_use]
    fn long_lived(self, reason: impl Into<String>) -> Self;
}

impl<DB: Database> HandleExt for sqlx::pool::PoolConnection<DB> {
    #[inline]
    fn long_lived(self, _reason: impl Into<String>) -> Self {
        self
    }
}

impl<DB: Database> HandleExt for sqlx::Transaction<'_, DB> {
    #[inline]
    fn long_lived(self, _reason: impl Into<String>) -> Self {
        self
    }
}

/// Runs `future` in a scope of its own. Off: `future` itself.
#[inline]
pub fn scope<F: Future>(_name: &'static str, future: F) -> F {
    future
}

/// Carries the current scope into a task.
pub trait ScopeExt: Future + Sized {
    /// The future, run in the scope that is current now. Off: the future itself.
    #[inline]
    #[must_use]
    fn in_current_scope(self) -> Self {
        self
    }
}

impl<F: Future> ScopeExt for F {}

/// Levels and limits. Off: nothing is kept.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Config {}

impl Config {
    /// The defaults.
    #[inline]
    pub fn new() -> Self {
        Self {}
    }

    /// What the environment variable `SQLX_LEASH` says. Off: it is not read.
    #[inline]
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self {})
    }

    /// Sets the level of a lint. Off: nothing.
    #[inline]
    #[must_use]
    pub fn level(self, _lint: Lint, _level: Level) -> Self {
        self
    }

    /// Sets the limit of a lint. Off: nothing.
    #[inline]
    #[must_use]
    pub fn limit(self, _lint: Lint, _limit: impl Into<Limit>) -> Self {
        self
    }

    /// Sets a ceiling over every level. Off: nothing.
    #[inline]
    #[must_use]
    pub fn cap(self, _level: Level) -> Self {
        self
    }

    /// Switches everything off. Off: it is.
    #[inline]
    #[must_use]
    pub fn off(self) -> Self {
        self
    }

    /// Sets how often the reporter reports. Off: nothing.
    #[inline]
    #[must_use]
    pub fn report_every(self, _interval: Duration) -> Self {
        self
    }

    /// Bounds the return of a connection to its pool. Off: nothing.
    #[inline]
    #[must_use]
    pub fn return_timeout(self, _limit: Duration) -> Self {
        self
    }

    /// Sets whether a waiting acquire may make a connect of its own. Off: it never does.
    #[inline]
    #[must_use]
    pub fn connect_probe(self, _allowed: bool) -> Self {
        self
    }

    /// Puts this configuration in force. Off: nothing.
    #[inline]
    pub fn install(self) {}
}

impl std::str::FromStr for Config {
    type Err = ConfigError;

    fn from_str(_text: &str) -> Result<Self, Self::Err> {
        Ok(Self {})
    }
}

/// Calls `callback` with every finding. Off: never.
#[inline]
pub fn on_finding(_callback: impl Fn(&Finding) + Send + Sync + 'static) {}

impl Finding {
    /// The whole report, for people. Off: there is none.
    pub fn render(&self) -> String {
        self.to_string()
    }
}

/// What the tracker knows. Off: nothing.
#[inline]
pub fn snapshot() -> Snapshot {
    Snapshot::default()
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sqlx-leash counts nothing: its feature `track` is off")
    }
}

/// Reports at an interval. Off: never.
#[inline]
pub fn spawn_reporter() {}

/// Reports now. Off: nothing.
#[inline]
pub fn report() {}

/// For tests. Off, everything here panics and says so rather than pass.
pub mod testing {
    use std::future::Future;

    use crate::finding::Finding;

    const OFF: &str = "sqlx-leash counts nothing here: its feature `track` is off, so this assertion would pass whatever happens; \
                       run the test with the feature that turns it on (`cargo test --features leash`)";

    /// Runs `future` and gives its output and how many statements it sent.
    ///
    /// # Panics
    ///
    /// Always: the feature `track` is off.
    #[track_caller]
    pub fn counting<F: Future>(_future: F) -> std::future::Ready<(F::Output, u64)> {
        panic!("{OFF}")
    }

    /// Runs `future` and gives its output and what was found in it.
    ///
    /// # Panics
    ///
    /// Always: the feature `track` is off.
    #[track_caller]
    pub fn findings<F: Future>(_future: F) -> std::future::Ready<(F::Output, Vec<Finding>)> {
        panic!("{OFF}")
    }

    #[doc(hidden)]
    #[track_caller]
    pub fn off() -> ! {
        panic!("{OFF}")
    }

    /// Asserts how many statements a future sends, and gives its output.
    ///
    /// # Panics
    ///
    /// Always: the feature `track` is off.
    #[doc(hidden)]
    #[macro_export]
    macro_rules! __assert_queries {
        ($expected:expr, $future:expr $(,)?) => {{
            if true {
                $crate::leash::testing::off();
            }
            let _ = $expected;
            $future.await
        }};
    }
    pub use crate::__assert_queries as assert_queries;
}
