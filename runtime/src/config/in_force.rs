//! The rules in force: read from the environment once, replaced by [`Config::install`], published for the hot paths.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, RwLock};
use std::time::Duration;

use once_cell::sync::Lazy;

use super::ConfigError;
use super::layer::Config;
use super::parse;
use super::rules::{Rules, nearest};
use super::spans::Spans;
use crate::finding::{Level, Limit, Lint};
use crate::measure::units::nanos;
use crate::source::function::Function;
use crate::sync;

/// The environment variable.
const VARIABLE: &str = "SQLX_LEASH";

static RULES: Lazy<RwLock<Arc<Rules>>> = Lazy::new(|| {
    let (environment, error) = match std::env::var_os(VARIABLE) {
        None => (Config::default(), None),
        Some(text) => match text.to_str() {
            Some(text) => parse::lenient(text),
            None => (Config::default(), Some(ConfigError::NotUnicode)),
        },
    };
    sync::lock(&ERRORS).environment = error;
    let rules = Rules::new(Arc::new(environment), Config::default());
    RwLock::new(Arc::new(rules))
});

/// What is wrong in the configurations in force, until [`load`] takes it. It is not reported while `RULES` is locked
/// or initialises: a subscriber that reads the rules would deadlock.
static ERRORS: Mutex<Errors> = Mutex::new(Errors {
    environment: None,
    installed: None,
});

struct Errors {
    environment: Option<ConfigError>,
    installed: Option<ConfigError>,
}

/// The rules that are read for each statement, handle, root scope or return, as atomics.
static PUBLISHED: Published = Published {
    switch: AtomicU8::new(UNLOADED),
    slow_query: AtomicU64::new(u64::MAX),
    least_time: AtomicU64::new(u64::MAX),
    query_budget: AtomicU64::new(u64::MAX),
    return_timeout: AtomicU64::new(u64::MAX),
    spans: AtomicU8::new(Spans::Off as u8),
};

/// Times are in nanoseconds. `u64::MAX` means that there is no limit.
struct Published {
    /// [`UNLOADED`], [`ON`] or [`OFF`].
    switch: AtomicU8,
    /// The least limit of `slow_query`. Limits of attributes do not count.
    slow_query: AtomicU64,
    /// The least limit of a lint about handles or their statements. Limits of attributes do not count.
    least_time: AtomicU64,
    /// The budget of root scopes whose functions set none.
    query_budget: AtomicU64,
    /// How long a connection may take to return to its pool.
    return_timeout: AtomicU64,
    /// What spans are made of, as [`Spans`].
    spans: AtomicU8,
}

/// The environment has not been read yet, or an error in a configuration has not been reported.
const UNLOADED: u8 = 0;
const ON: u8 = 1;
const OFF: u8 = 2;

impl Published {
    fn set(&self, rules: &Rules) {
        self.slow_query.store(
            rules
                .least_time(Lint::SlowQuery, None)
                .map_or(u64::MAX, nanos),
            Relaxed,
        );
        self.least_time
            .store(nanos(rules.least_time_of_all()), Relaxed);
        let budget = rules.query_budget().unwrap_or(u64::MAX);
        self.query_budget.store(budget, Relaxed);
        let return_timeout = rules.return_timeout().map_or(u64::MAX, nanos);
        self.return_timeout.store(return_timeout, Relaxed);
        self.spans.store(rules.spans() as u8, Relaxed);
    }

    fn switch(&self, rules: &Rules) {
        let switch = if rules.is_off() { OFF } else { ON };
        self.switch.store(switch, Relaxed);
    }
}

/// The number of installations, for [`wait_for_installation`].
static INSTALLED: (Mutex<u64>, Condvar) = (Mutex::new(0), Condvar::new());

impl Config {
    /// The configuration in the environment variable `SQLX_LEASH`; nothing is set if there is no such variable.
    ///
    /// The environment is in force without this call. It is for a program that refuses to run with a wrong value.
    ///
    /// # Errors
    ///
    /// Returns every wrong entry, with its remedy.
    pub fn from_env() -> Result<Self, ConfigError> {
        match std::env::var(VARIABLE) {
            Ok(text) => text.parse(),
            Err(std::env::VarError::NotPresent) => Ok(Self::default()),
            Err(std::env::VarError::NotUnicode(_)) => Err(ConfigError::NotUnicode),
        }
    }

    /// Puts this configuration in force. The environment beats it, and it replaces the one installed before.
    ///
    /// The next statement or acquire reports at ERROR each [limit](Config::limit) of the wrong unit.
    ///
    /// # Locking
    ///
    /// Locks the rules while they are rebuilt. Statements and acquires on other threads may wait for that.
    pub fn install(self) {
        let error = self.wrong_limits();
        let is_wrong = error.is_some();
        let mut rules = sync::write(&RULES);
        *rules = Arc::new(rules.with_code(self));
        PUBLISHED.set(&rules);
        sync::lock(&ERRORS).installed = error;
        // While the switch is unloaded, the next reader of it calls `load` and reports the error.
        if is_wrong {
            PUBLISHED.switch.store(UNLOADED, Relaxed);
        } else if is_loaded() {
            PUBLISHED.switch(&rules);
        }
        drop(rules);
        *sync::lock(&INSTALLED.0) += 1;
        INSTALLED.1.notify_all();
    }
}

/// Reads the environment, if it has not been read yet. Returns the errors that were not returned before, each with the
/// name of its source.
pub(crate) fn load() -> impl Iterator<Item = (&'static str, ConfigError)> {
    let rules = sync::write(&RULES);
    PUBLISHED.set(&rules);
    PUBLISHED.switch(&rules);
    drop(rules);
    let mut errors = sync::lock(&ERRORS);
    let sources = [
        (VARIABLE, errors.environment.take()),
        ("leash::Config", errors.installed.take()),
    ];
    let errors = |(source, error): (_, Option<_>)| Some((source, error?));
    sources.into_iter().filter_map(errors)
}

/// Whether the environment has been read and every error was reported. If not, [`load`] is due.
#[inline]
pub(crate) fn is_loaded() -> bool {
    PUBLISHED.switch.load(Relaxed) != UNLOADED
}

/// Whether the tracker is switched off at run time.
#[inline]
pub(crate) fn is_off() -> bool {
    // Relaxed: it publishes no other memory, and a change may take effect a moment later.
    match PUBLISHED.switch.load(Relaxed) {
        UNLOADED => rules().is_off(),
        switch => switch == OFF,
    }
}

/// The rules in force now.
pub(crate) fn rules() -> Arc<Rules> {
    Arc::clone(&sync::read(&RULES))
}

/// The level of a lint for `function` and `pool`.
pub(crate) fn level(lint: Lint, function: Option<&Function>, pool: Option<&str>) -> Level {
    rules().level(lint, function, pool)
}

/// The level of a lint, without those of attributes and single pools.
pub(crate) fn level_of_process(lint: Lint) -> Level {
    level(lint, None, None)
}

/// The number of statements that a scope of `function` may send, if that is limited.
pub(crate) fn query_budget(function: &Function, is_root: bool) -> Option<u64> {
    let attribute = match function.options().limit(Lint::QueryBudget) {
        Some(Limit::Count(limit)) => Some(limit),
        _ => None,
    };
    nearest(attribute, || {
        let limit = PUBLISHED.query_budget.load(Relaxed);
        (is_root && limit != u64::MAX).then_some(limit)
    })
}

/// How long a connection may take to return to its pool, if that is limited.
pub(crate) fn return_timeout() -> Option<Duration> {
    let limit = PUBLISHED.return_timeout.load(Relaxed);
    (limit != u64::MAX).then(|| Duration::from_nanos(limit))
}

/// Whether spans are made of `what`.
#[inline]
pub(crate) fn has_spans_of(what: Spans) -> bool {
    PUBLISHED.spans.load(Relaxed) >= what as u8
}

/// Whether a handle may exceed a limit before `time`. Limits of attributes do not count.
#[inline]
pub(crate) fn has_limit_below(time: Duration) -> bool {
    u128::from(PUBLISHED.least_time.load(Relaxed)) < time.as_nanos()
}

/// Whether a statement of `function` that took `time` may exceed a limit.
#[inline]
pub(crate) fn may_be_slow(time: Duration, function: Option<&Function>) -> bool {
    let attribute = function.and_then(|function| function.options().time_limit(Lint::SlowQuery));
    let least = || Some(Duration::from_nanos(PUBLISHED.slow_query.load(Relaxed)));
    nearest(attribute, least).is_some_and(|limit| time >= limit)
}

/// The interval of the reporter.
pub(crate) fn report_interval() -> Duration {
    rules().report_interval()
}

/// Waits for `time`, or until another configuration is installed. Returns whether one was.
pub(crate) fn wait_for_installation(time: Duration) -> bool {
    let installed = sync::lock(&INSTALLED.0);
    let before = *installed;
    let same = |installed: &mut u64| *installed == before;
    *sync::wait_while(&INSTALLED.1, installed, Some(time), same) != before
}
