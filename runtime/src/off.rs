//! The whole off mode of `leash`: every public name of the on mode, with functions that do nothing.

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use sqlx::{Database, Pool};

use crate::config::{ConfigError, Events, Spans};
use crate::finding::{Finding, Level, Limit, Lint};
use crate::snapshot::observed::Observer;
use crate::snapshot::{Diagnosis, Health, Snapshot};

/// A database whose pools can be tracked. Code that is generic over the database needs this bound, beside sqlx's own,
/// to execute on `&Pool<DB>`. Without `track`, every database has it.
pub trait Backend: Database {}

impl<DB: Database> Backend for DB {}

/// The `Deref` target of a connection or transaction. Without `track`, it is the driver's own connection.
pub type Conn<'c, DB> = <DB as ConnOf<'c>>::Conn;

/// Lets the alias [`Conn`] have a lifetime parameter, which an alias must use.
#[doc(hidden)]
pub trait ConnOf<'c>: Database {
    /// The connection.
    type Conn;
}

impl<DB: Database> ConnOf<'_> for DB {
    type Conn = DB::Connection;
}

/// The methods that a pool has beyond sqlx's.
pub trait PoolExt: Sized {
    /// The pool's database.
    type Database: Database;

    /// Names the pool in logs, findings and configuration. Without `track`, it does nothing.
    #[must_use]
    fn named(self, name: impl Into<String>) -> Self;

    /// The pool as sqlx's own type. Without `track`, it is the pool itself.
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

/// The methods that a handle has beyond sqlx's.
pub trait HandleExt: Sized {
    /// Declares that this handle is meant to live long, and why. Without `track`, it does nothing.
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

/// Runs `future` in a scope of its own. Without `track`, it returns `future` itself.
#[inline]
pub fn scope<F: Future>(_name: &'static str, future: F) -> F {
    future
}

/// Carries the current scope into a task.
pub trait ScopeExt: Future + Sized {
    /// Returns the future as a branch of the current scope. Without `track`, it returns the future itself.
    #[inline]
    #[must_use]
    fn in_current_scope(self) -> Self {
        self
    }
}

impl<F: Future> ScopeExt for F {}

/// Levels, limits and settings. Without `track`, it stores nothing.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Config {}

impl Config {
    /// A configuration that sets nothing.
    #[inline]
    pub fn new() -> Self {
        Self {}
    }

    /// The configuration in the environment variable `SQLX_LEASH`.
    ///
    /// # Errors
    ///
    /// None without `track`: the variable is not read.
    #[inline]
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self {})
    }

    /// Sets the level of a lint. Without `track`, it does nothing.
    #[inline]
    #[must_use]
    pub fn level(self, _lint: Lint, _level: Level) -> Self {
        self
    }

    /// Sets the limit of a lint. Without `track`, it does nothing.
    #[inline]
    #[must_use]
    pub fn limit(self, _lint: Lint, _limit: impl Into<Limit>) -> Self {
        self
    }

    /// Sets a ceiling over every level. Without `track`, it does nothing.
    #[inline]
    #[must_use]
    pub fn cap(self, _level: Level) -> Self {
        self
    }

    /// Switches everything off at run time. Without `track`, everything is off.
    #[inline]
    #[must_use]
    pub fn off(self) -> Self {
        self
    }

    /// Sets the interval of the reporter. Without `track`, it does nothing.
    #[inline]
    #[must_use]
    pub fn report_every(self, _interval: Duration) -> Self {
        self
    }

    /// Limits the time in which a connection returns to its pool. Without `track`, it does nothing.
    #[inline]
    #[must_use]
    pub fn return_timeout(self, _limit: Duration) -> Self {
        self
    }

    /// Sets whether an acquire that waits may connect beside its wait, to learn why no connection comes. Without
    /// `track`, none does.
    #[inline]
    #[must_use]
    pub fn connect_probe(self, _allowed: bool) -> Self {
        self
    }

    /// Sets whether the metrics have series for call sites. Without `track`, there are none.
    #[inline]
    #[must_use]
    pub fn metrics_sites(self, _shown: bool) -> Self {
        self
    }

    /// Writes every finding to standard error as well. Without `track`, there is none.
    #[inline]
    #[must_use]
    pub fn print_to_stderr(self) -> Self {
        self
    }

    /// Appends every finding to a file as well. Without `track`, there is none.
    #[inline]
    #[must_use]
    pub fn print_to_file(self, _path: impl Into<PathBuf>) -> Self {
        self
    }

    /// Sets what the event of a finding has. Without `track`, there is none.
    #[inline]
    #[must_use]
    pub fn events(self, _events: Events) -> Self {
        self
    }

    /// Sets what `tracing` spans are made of. Without `track`, there is none.
    #[inline]
    #[must_use]
    pub fn spans(self, _spans: Spans) -> Self {
        self
    }

    /// Sets whether a finding at `deny` panics also where it is not certain. Without `track`, there is none.
    #[inline]
    #[must_use]
    pub fn fail_on_likely(self, _fail: bool) -> Self {
        self
    }

    /// Puts this configuration in force. Without `track`, it does nothing.
    #[inline]
    pub fn install(self) {}
}

impl std::str::FromStr for Config {
    type Err = ConfigError;

    fn from_str(_text: &str) -> Result<Self, Self::Err> {
        Ok(Self {})
    }
}

/// Calls `callback` with every finding. Without `track`, there is none.
#[inline]
pub fn on_finding(_callback: impl Fn(&Finding) + Send + Sync + 'static) {}

/// Tells `observer` what ends. Without `track`, nothing is told.
#[inline]
pub fn observe(_observer: impl Observer) {}

impl Finding {
    /// The whole report as text. Without `track`, there is no finding.
    pub fn render(&self) -> String {
        self.to_string()
    }
}

/// Takes a snapshot of the tracker's counters and handles. Without `track`, it is empty.
#[inline]
pub fn snapshot() -> Snapshot {
    Snapshot::default()
}

/// Returns the tracker's numbers for Prometheus. Without `track`, it is a comment, which Prometheus takes for an empty
/// scrape.
#[inline]
pub fn prometheus() -> String {
    "# sqlx-leash counts nothing: its feature `track` is off\n".to_owned()
}

/// Returns whether each pool serves those who ask. Without `track`, that is unknown, because nothing is tracked.
#[inline]
pub fn health() -> Health {
    Health::unknown("sqlx-leash tracks nothing: its feature `track` is off")
}

/// Compares a pool's options with the limits of its server. Without `track`, it asks nothing, and the diagnosis has no
/// checks.
pub fn doctor<DB: Backend>(_pool: &Pool<DB>) -> impl Future<Output = Diagnosis> + Send + use<DB> {
    std::future::ready(Diagnosis::default())
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sqlx-leash asks nothing: its feature `track` is off")
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sqlx-leash counts nothing: its feature `track` is off")
    }
}

/// Reports at an interval, from a thread of its own. Without `track`, it starts none.
#[inline]
pub fn spawn_reporter() {}

/// Reports now, as events. Without `track`, it does nothing.
#[inline]
pub fn report() {}

/// For tests. Without `track`, every assertion panics, because it would otherwise pass whatever happens.
pub mod testing {
    use std::fmt::Display;
    use std::future::{Future, Ready};

    use crate::finding::Finding;
    use crate::test_data::expected::Bounds;

    pub use crate::test_data::{Expected, Statement, Statements};

    const OFF: &str = "sqlx-leash counts nothing here: its feature `track` is off, so this assertion would pass whatever happens; \
                       run the test with the feature that turns it on (`cargo test --features leash`)";

    /// Runs `future` and returns its output with the number of statements it sent.
    ///
    /// # Panics
    ///
    /// Always: the feature `track` is off.
    #[track_caller]
    pub fn counting<F: Future>(_future: F) -> Ready<(F::Output, u64)> {
        panic!("{OFF}")
    }

    /// Runs `future` and returns its output with the findings in it.
    ///
    /// # Panics
    ///
    /// Always: the feature `track` is off.
    #[track_caller]
    pub fn findings<F: Future>(_future: F) -> Ready<(F::Output, Vec<Finding>)> {
        panic!("{OFF}")
    }

    /// Runs `future` and returns its output with the statements that it sent.
    ///
    /// # Panics
    ///
    /// Always: the feature `track` is off.
    #[track_caller]
    pub fn statements<F: Future>(_future: F) -> Ready<(F::Output, Statements)> {
        panic!("{OFF}")
    }

    /// Runs `run` at each size, and compares what it sends.
    ///
    /// # Panics
    ///
    /// Always: the feature `track` is off.
    #[track_caller]
    pub fn constant_queries<S, T, const N: usize>(
        _sizes: [S; N],
        _run: impl AsyncFnMut(S) -> T,
    ) -> Ready<[T; N]>
    where
        S: Copy + Ord + Display,
    {
        const {
            assert!(N >= 2, "`constant_queries` compares two or more sizes");
        }
        panic!("{OFF}")
    }

    /// Runs `future` outside of the test. Without `track`, it returns `future` itself: it asserts nothing.
    #[inline]
    pub fn fixture<F: Future>(future: F) -> F {
        future
    }

    #[doc(hidden)]
    #[track_caller]
    pub fn off() -> ! {
        panic!("{OFF}")
    }

    /// The number of statements that `assert_queries!` was given.
    #[doc(hidden)]
    pub fn expected(expected: impl Expected) -> Bounds {
        expected.bounds()
    }

    /// Asserts the number of statements that a future sends, and evaluates to its output.
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
            let _ = $crate::leash::testing::expected($expected);
            $future.await
        }};
    }
    pub use crate::__assert_queries as assert_queries;

    /// Asserts that there is no finding in a future, and evaluates to its output.
    ///
    /// # Panics
    ///
    /// Always: the feature `track` is off.
    #[doc(hidden)]
    #[macro_export]
    macro_rules! __assert_clean {
        ($future:expr $(,)?) => {{
            if true {
                $crate::leash::testing::off();
            }
            $future.await
        }};
    }
    pub use crate::__assert_clean as assert_clean;
}
