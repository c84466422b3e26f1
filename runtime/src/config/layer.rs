//! Layers of configuration, and what is in force.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use once_cell::sync::Lazy;

use super::{ConfigError, parse};
use crate::lint::{Level, Limit, Lint};
use crate::report;
use crate::site::Function;
use crate::units::nanos;

/// The environment variable.
pub(crate) const VARIABLE: &str = "SQLX_LEASH";
const DEFAULT_REPORT_INTERVAL: Duration = Duration::from_mins(1);
const DEFAULT_SLOW_QUERY: Duration = Duration::from_secs(1);

/// Levels, limits and settings, from code or from text.
///
/// Nearest wins: `#[track(…)]` on the function, then the environment variable `SQLX_LEASH`, then an
/// [installed](Config::install) `Config`, then the default. The text form, of the variable and of [`FromStr`](std::str::FromStr),
/// is a list of entries:
///
/// | entry | means |
/// | --- | --- |
/// | `n_plus_one=deny` | a level |
/// | `held_idle=10s` | a limit |
/// | `held_idle=warn:10s` | both |
/// | `held_idle[reporting]=5m` | for the pool named `reporting` |
/// | `leaks=allow` | for a group: `all`, `leaks`, `pool`, `queries` |
/// | `cap=warn` | a ceiling over every level, attributes' too |
/// | `report=30s` | how often the reporter reports |
/// | `return_timeout=10s` | a connection whose return to its pool takes longer is closed, and its permit is there again |
/// | `connect_probe=off` | no connect of its own beside an acquire that waits for a server |
/// | `off` | everything off at run time |
///
/// A lint for a pool beats the lint, which beats a group; among equals the later entry wins.
#[derive(Clone, Debug, Default)]
pub struct Config {
    pub(super) entries: Vec<Entry>,
    pub(super) cap: Option<Level>,
    pub(super) report: Option<Duration>,
    pub(super) return_timeout: Option<Duration>,
    pub(super) connect_probe: Option<bool>,
    pub(super) off: bool,
}

/// A level, a limit, or both, for some lints.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) of: Selector,
    pub(super) pool: Option<String>,
    pub(super) level: Option<Level>,
    pub(super) limit: Option<Limit>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Selector {
    Lint(Lint),
    Group(Group),
}

/// Lints that go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    All,
    Leaks,
    Pool,
    Queries,
}

impl Group {
    fn contains(self, lint: Lint) -> bool {
        match self {
            Group::All => true,
            Group::Leaks => matches!(
                lint,
                Lint::OutlivedScope | Lint::HeldIdle | Lint::HeldTooLong | Lint::ImplicitRollback
            ),
            Group::Queries => matches!(
                lint,
                Lint::OutsideTransaction
                    | Lint::NPlusOne
                    | Lint::RedundantQuery
                    | Lint::QueryBudget
                    | Lint::SlowQuery
            ),
            Group::Pool => !Group::Leaks.contains(lint) && !Group::Queries.contains(lint),
        }
    }
}

impl Config {
    /// Nothing set.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the environment variable `SQLX_LEASH` says; nothing set where there is none.
    ///
    /// It is in force without this; this is for a program that wants to refuse a wrong one.
    ///
    /// # Errors
    ///
    /// Every entry that is wrong, with its remedy.
    pub fn from_env() -> Result<Self, ConfigError> {
        match std::env::var(VARIABLE) {
            Ok(text) => text.parse(),
            Err(std::env::VarError::NotPresent) => Ok(Self::default()),
            Err(std::env::VarError::NotUnicode(_)) => Err(ConfigError::NotUnicode),
        }
    }

    /// Sets the level of a lint.
    #[must_use]
    pub fn level(mut self, lint: Lint, level: Level) -> Self {
        self.entries.push(Entry {
            of: Selector::Lint(lint),
            pool: None,
            level: Some(level),
            limit: None,
        });
        self
    }

    /// Sets the limit of a lint: a [`Duration`], a number, or a [`Limit`].
    ///
    /// A limit of another kind than the lint's own is kept and never used.
    #[must_use]
    pub fn limit(mut self, lint: Lint, limit: impl Into<Limit>) -> Self {
        self.entries.push(Entry {
            of: Selector::Lint(lint),
            pool: None,
            level: None,
            limit: Some(limit.into()),
        });
        self
    }

    /// Sets a ceiling over every level, attributes' too.
    #[must_use]
    pub fn cap(mut self, level: Level) -> Self {
        self.cap = Some(level);
        self
    }

    /// Switches everything off at run time: nothing is counted, nothing is looked for.
    #[must_use]
    pub fn off(mut self) -> Self {
        self.off = true;
        self
    }

    /// Sets how often the [reporter](crate::leash::spawn_reporter) reports (60 s).
    #[must_use]
    pub fn report_every(mut self, interval: Duration) -> Self {
        self.report = Some(interval);
        self
    }

    /// Closes a connection whose return to its pool takes longer than `limit`, and frees its permit. Unless set, a return
    /// that hangs (on a peer that has gone silent) keeps its permit, as in sqlx.
    #[must_use]
    pub fn return_timeout(mut self, limit: Duration) -> Self {
        self.return_timeout = Some(limit);
        self
    }

    /// Sets whether an acquire that waits for a server makes one connect of its own to learn why (on). At most one a minute
    /// and pool, or one in 5 s where somebody was served in between; given up when the acquire ends, never for SQLite.
    #[must_use]
    pub fn connect_probe(mut self, allowed: bool) -> Self {
        self.connect_probe = Some(allowed);
        self
    }

    /// Puts this configuration in force, below the environment, in place of the one installed before.
    pub fn install(self) {
        let mut rules = RULES.write().unwrap_or_else(PoisonError::into_inner);
        *rules = Rules::new(Arc::clone(&rules.environment), self);
        drop(rules);
        report::interval_may_differ();
    }

    pub(super) fn level_of(&self, lint: Lint, pool: Option<&str>) -> Option<Level> {
        self.closest(lint, pool, |entry| entry.level)
    }

    fn limit_of(&self, lint: Lint, pool: Option<&str>) -> Option<Limit> {
        self.closest(lint, pool, |entry| {
            entry.limit.filter(|limit| limit.is_of(lint))
        })
    }

    fn closest<T>(
        &self,
        lint: Lint,
        pool: Option<&str>,
        value: impl Fn(&Entry) -> Option<T>,
    ) -> Option<T> {
        self.entries
            .iter()
            .filter_map(|entry| Some((entry.rank(lint, pool)?, value(entry)?)))
            // The last of equal maxima: later beats earlier.
            .max_by_key(|(rank, _)| *rank)
            .map(|(_, value)| value)
    }
}

impl Entry {
    /// How closely the entry speaks of a lint and pool; `None` where it does not.
    fn rank(&self, lint: Lint, pool: Option<&str>) -> Option<u8> {
        let closeness = match self.of {
            Selector::Lint(of) if of == lint => 2,
            Selector::Group(of) if of.contains(lint) => 0,
            _ => return None,
        };
        match (self.pool.as_deref(), pool) {
            (None, _) => Some(closeness),
            (Some(of), Some(pool)) if of == pool => Some(closeness + 1),
            _ => None,
        }
    }
}

/// What is in force, attributes and defaults aside.
pub(crate) struct Rules {
    environment: Arc<Config>,
    code: Config,
    /// The least limits in force for any pool, attributes aside.
    least: Least,
}

#[derive(Default)]
struct Least {
    held_idle: Option<Duration>,
    held_too_long: Option<Duration>,
    slow_query: Option<Duration>,
}

impl Rules {
    fn new(environment: Arc<Config>, code: Config) -> Arc<Self> {
        let mut rules = Self {
            environment,
            code,
            least: Least::default(),
        };
        rules.least = Least {
            held_idle: rules.find_least(Lint::HeldIdle),
            held_too_long: rules.find_least(Lint::HeldTooLong),
            slow_query: rules.find_least(Lint::SlowQuery),
        };
        SWITCH.store(if rules.is_off() { OFF } else { ON }, Relaxed);
        SLOW_QUERY.store(rules.least.slow_query.map_or(u64::MAX, nanos), Relaxed);
        LEAST_TIME.store(nanos(rules.least_time()), Relaxed);
        let budget = rules.count(Lint::QueryBudget, None);
        QUERY_BUDGET.store(budget.unwrap_or(u64::MAX), Relaxed);
        RETURN_TIMEOUT.store(rules.return_timeout().map_or(u64::MAX, nanos), Relaxed);
        Arc::new(rules)
    }

    fn find_least(&self, lint: Lint) -> Option<Duration> {
        let set = self.layers().flat_map(|layer| &layer.entries);
        let of_pools = set.filter(|entry| entry.of == Selector::Lint(lint) && entry.pool.is_some());
        of_pools
            .filter_map(|entry| match entry.limit {
                Some(Limit::Time(limit)) => Some(limit),
                _ => None,
            })
            .chain(self.time(lint, None, None))
            .min()
    }

    /// The least limit in force for any pool, attributes aside, of a lint about a handle.
    pub(crate) fn least(&self, lint: Lint) -> Option<Duration> {
        match lint {
            Lint::HeldIdle => self.least.held_idle,
            Lint::HeldTooLong => self.least.held_too_long,
            Lint::SlowQuery => self.least.slow_query,
            _ => None,
        }
    }

    /// The least of them all.
    pub(crate) fn least_time(&self) -> Duration {
        let Least {
            held_idle,
            held_too_long,
            slow_query,
        } = self.least;
        let all = [held_idle, held_too_long, slow_query];
        all.into_iter().flatten().min().unwrap_or(Duration::MAX)
    }

    /// Nearest first.
    fn layers(&self) -> impl Iterator<Item = &Config> {
        [&*self.environment, &self.code].into_iter()
    }

    fn is_off(&self) -> bool {
        self.layers().any(|layer| layer.off)
    }

    /// The level of a lint where `function` runs and `pool` is concerned.
    pub(crate) fn level(
        &self,
        lint: Lint,
        function: Option<&Function>,
        pool: Option<&str>,
    ) -> Level {
        if self.is_off() {
            return Level::Allow;
        }
        let set = function
            .and_then(|function| function.level(lint))
            .or_else(|| self.layers().find_map(|layer| layer.level_of(lint, pool)))
            .unwrap_or_else(|| self.default_level(lint, function, pool));
        self.layers()
            .filter_map(|layer| layer.cap)
            .fold(set, Level::min)
    }

    fn default_level(&self, lint: Lint, function: Option<&Function>, pool: Option<&str>) -> Level {
        match lint {
            Lint::OutlivedScope | Lint::PoolDeadlock | Lint::QueryBudget
                if cfg!(debug_assertions) =>
            {
                Level::Deny
            }
            // Who sets its limit wants to hear of it.
            Lint::HeldTooLong if self.limit(lint, function, pool).is_none() => Level::Allow,
            _ => Level::Warn,
        }
    }

    fn limit(&self, lint: Lint, function: Option<&Function>, pool: Option<&str>) -> Option<Limit> {
        function
            .and_then(|function| function.limit(lint))
            .or_else(|| self.layers().find_map(|layer| layer.limit_of(lint, pool)))
            .or_else(|| default_limit(lint))
    }

    /// The limit of a lint that takes a time.
    pub(crate) fn time(
        &self,
        lint: Lint,
        function: Option<&Function>,
        pool: Option<&str>,
    ) -> Option<Duration> {
        match self.limit(lint, function, pool) {
            Some(Limit::Time(limit)) => Some(limit),
            _ => None,
        }
    }

    /// The limit of a lint that counts.
    pub(crate) fn count(&self, lint: Lint, function: Option<&Function>) -> Option<u64> {
        match self.limit(lint, function, None) {
            Some(Limit::Count(limit)) => Some(limit),
            _ => None,
        }
    }

    /// The limit of a lint about a share of a pool, in percent.
    pub(crate) fn percent(&self, lint: Lint, pool: &str) -> u32 {
        match self.limit(lint, None, Some(pool)) {
            Some(Limit::Percent(limit)) => limit,
            _ => 100,
        }
    }

    fn return_timeout(&self) -> Option<Duration> {
        self.layers().find_map(|layer| layer.return_timeout)
    }

    /// Whether a waiting acquire may make a connect of its own.
    pub(crate) fn may_probe(&self) -> bool {
        self.layers()
            .find_map(|layer| layer.connect_probe)
            .unwrap_or(true)
    }
}

fn default_limit(lint: Lint) -> Option<Limit> {
    Some(match lint {
        Lint::HeldIdle | Lint::CloseBlocked => Limit::Time(Duration::from_secs(5)),
        Lint::SlowQuery => Limit::Time(DEFAULT_SLOW_QUERY),
        Lint::UnaccountedConnections => Limit::Time(Duration::from_secs(10)),
        Lint::PoolPressure => Limit::Percent(90),
        Lint::NPlusOne => Limit::Count(10),
        Lint::RedundantQuery => Limit::Count(5),
        Lint::DuplicatePool => Limit::Count(3),
        Lint::ConnectionChurn => Limit::PerSecond(1),
        _ => return None,
    })
}

static RULES: Lazy<RwLock<Arc<Rules>>> = Lazy::new(|| {
    let (environment, error) = match std::env::var_os(VARIABLE) {
        None => (Config::default(), None),
        Some(text) => match text.to_str() {
            Some(text) => parse::lenient(text),
            None => (Config::default(), Some(ConfigError::NotUnicode)),
        },
    };
    *WRONG.lock().unwrap_or_else(PoisonError::into_inner) = error;
    RwLock::new(Rules::new(Arc::new(environment), Config::default()))
});

/// What is wrong with the environment, until it was told. Not told above: a subscriber may ask for the rules.
static WRONG: Mutex<Option<ConfigError>> = Mutex::new(None);

/// What is in force now.
pub(crate) fn rules() -> Arc<Rules> {
    Arc::clone(&RULES.read().unwrap_or_else(PoisonError::into_inner))
}

/// Asked for each statement: what `RULES` says of `off`, without its lock.
static SWITCH: AtomicU8 = AtomicU8::new(UNREAD);

const UNREAD: u8 = 0;
const ON: u8 = 1;
const OFF: u8 = 2;

/// Asked for each statement: the least limit of `slow_query`, attributes aside, in nanoseconds.
static SLOW_QUERY: AtomicU64 = AtomicU64::new(u64::MAX);

/// Asked for each handle: the least limit of a lint about handles, attributes aside, in nanoseconds.
static LEAST_TIME: AtomicU64 = AtomicU64::new(u64::MAX);

/// Asked for each root scope: the budget of those that set none of their own.
static QUERY_BUDGET: AtomicU64 = AtomicU64::new(u64::MAX);

/// Asked for each connection that goes back: how long that may take, in nanoseconds.
static RETURN_TIMEOUT: AtomicU64 = AtomicU64::new(u64::MAX);

/// How long a connection may take to go back into its pool, where that is limited.
pub(crate) fn return_timeout() -> Option<Duration> {
    let limit = RETURN_TIMEOUT.load(Relaxed);
    (limit != u64::MAX).then(|| Duration::from_nanos(limit))
}

/// Whether a handle may be over a limit before that time, attributes aside.
#[inline]
pub(crate) fn has_limit_below(time: Duration) -> bool {
    u128::from(LEAST_TIME.load(Relaxed)) < time.as_nanos()
}

/// How many statements a scope of `function` may send, where that is limited.
pub(crate) fn query_budget(function: &Function, is_root: bool) -> Option<u64> {
    if let Some(Limit::Count(limit)) = function.limit(Lint::QueryBudget) {
        return Some(limit);
    }
    let limit = QUERY_BUDGET.load(Relaxed);
    (is_root && limit != u64::MAX).then_some(limit)
}

/// Whether everything is switched off at run time. Who asks first reads the environment: a program without a pool has it
/// read by its first statement.
#[inline]
pub(crate) fn is_off() -> bool {
    // Relaxed: who has just switched sees it in time.
    match SWITCH.load(Relaxed) {
        UNREAD => is_off_at_first(),
        switch => switch == OFF,
    }
}

#[cold]
fn is_off_at_first() -> bool {
    load();
    rules().is_off()
}

/// Whether a statement of `function` that took so long may be over a limit.
#[inline]
pub(crate) fn may_be_slow(time: Duration, function: Option<&Function>) -> bool {
    time.as_nanos() >= u128::from(SLOW_QUERY.load(Relaxed))
        || function.is_some_and(|function| {
            matches!(function.limit(Lint::SlowQuery), Some(Limit::Time(limit)) if time >= limit)
        })
}

/// Reads the environment, if it was not read yet, and tells what is wrong with it. Done when a pool is made, else at the
/// first statement.
pub(crate) fn load() {
    Lazy::force(&RULES);
    let wrong = WRONG.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(error) = wrong {
        report::configuration(&error);
    }
}

/// The level of a lint where `function` runs and `pool` is concerned.
pub(crate) fn level(lint: Lint, function: Option<&Function>, pool: Option<&str>) -> Level {
    rules().level(lint, function, pool)
}

/// The level of a lint, attributes and pools aside.
pub(crate) fn level_of_process(lint: Lint) -> Level {
    level(lint, None, None)
}

/// How often the reporter reports.
pub(crate) fn report_interval() -> Duration {
    let rules = rules();
    rules
        .layers()
        .find_map(|layer| layer.report)
        .unwrap_or(DEFAULT_REPORT_INTERVAL)
}
