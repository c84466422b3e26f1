//! Layers of configuration, and what is in force.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use once_cell::sync::Lazy;

use super::{ConfigError, parse};
use crate::lint::{Level, Limit, Lint};
use crate::site::Function;

/// The environment variable.
pub(crate) const VARIABLE: &str = "SQLX_LEASH";
const DEFAULT_REPORT_INTERVAL: Duration = Duration::from_mins(1);

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
/// | `off` | everything off at run time |
///
/// A lint for a pool beats the lint, which beats a group; among equals the later entry wins.
#[derive(Clone, Debug, Default)]
pub struct Config {
    pub(super) entries: Vec<Entry>,
    pub(super) cap: Option<Level>,
    pub(super) report: Option<Duration>,
    pub(super) off: bool,
}

/// A level, a limit, or both, for some lints.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) of: Selector,
    pub(super) pool: Option<String>,
    pub(super) level: Option<Level>,
    #[expect(dead_code, reason = "read by the lints that have one")]
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

    /// Puts this configuration in force, below the environment, in place of the one installed before.
    pub fn install(self) {
        let mut rules = RULES.write().unwrap_or_else(PoisonError::into_inner);
        OFF.store(rules.environment.off || self.off, Relaxed);
        *rules = Arc::new(Rules {
            environment: Arc::clone(&rules.environment),
            code: self,
        });
    }

    pub(super) fn level_of(&self, lint: Lint, pool: Option<&str>) -> Option<Level> {
        self.entries
            .iter()
            .filter(|entry| entry.level.is_some())
            .filter_map(|entry| Some((entry.rank(lint, pool)?, entry.level)))
            // The last of equal maxima: later beats earlier.
            .max_by_key(|(rank, _)| *rank)
            .and_then(|(_, level)| level)
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
struct Rules {
    environment: Arc<Config>,
    code: Config,
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
    OFF.store(environment.off, Relaxed);
    RwLock::new(Arc::new(Rules {
        environment: Arc::new(environment),
        code: Config::default(),
    }))
});

/// What is wrong with the environment, until it was told. Not told above: a subscriber may ask for the rules.
static WRONG: Mutex<Option<ConfigError>> = Mutex::new(None);

fn rules() -> Arc<Rules> {
    Arc::clone(&RULES.read().unwrap_or_else(PoisonError::into_inner))
}

/// Asked for each statement: what `RULES` says of `off`, without its lock.
static OFF: AtomicBool = AtomicBool::new(false);

/// Whether everything is switched off at run time.
#[inline]
pub(crate) fn is_off() -> bool {
    // Relaxed: who has just switched sees it in time.
    OFF.load(Relaxed)
}

/// Reads the environment, if it was not read yet, and tells what is wrong with it. Done when a pool is made.
pub(crate) fn load() {
    Lazy::force(&RULES);
    let wrong = WRONG.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(error) = wrong {
        crate::report::configuration(&error);
    }
}

/// The level of a lint where `function` runs and `pool` is concerned.
pub(crate) fn level(lint: Lint, function: Option<&Function>, pool: Option<&str>) -> Level {
    let rules = rules();
    if rules.environment.off || rules.code.off {
        return Level::Allow;
    }
    let set = function
        .and_then(|function| function.level(lint))
        .or_else(|| rules.environment.level_of(lint, pool))
        .or_else(|| rules.code.level_of(lint, pool))
        .unwrap_or_else(|| default_level(lint));
    [rules.environment.cap, rules.code.cap]
        .into_iter()
        .flatten()
        .fold(set, Level::min)
}

/// The level of a lint, attributes and pools aside.
pub(crate) fn level_of_process(lint: Lint) -> Level {
    level(lint, None, None)
}

fn default_level(lint: Lint) -> Level {
    match lint {
        Lint::OutlivedScope | Lint::PoolDeadlock | Lint::QueryBudget if cfg!(debug_assertions) => {
            Level::Deny
        }
        Lint::HeldTooLong => Level::Allow,
        _ => Level::Warn,
    }
}

/// How often the reporter reports.
pub(crate) fn report_interval() -> Duration {
    let rules = rules();
    rules
        .environment
        .report
        .or(rules.code.report)
        .unwrap_or(DEFAULT_REPORT_INTERVAL)
}
