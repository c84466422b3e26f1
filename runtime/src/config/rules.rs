//! The layers, with the attribute above them and the defaults below. The nearest wins.

use std::sync::Arc;
use std::time::Duration;

use super::Events;
use super::entry::Selector;
use super::layer::Config;
use super::print::Print;
use super::spans::Spans;
use crate::finding::{Level, Limit, Lint, Stance};
use crate::source::function::Function;

const DEFAULT_REPORT_INTERVAL: Duration = Duration::from_mins(1);

/// The layers, with the limits that are read often.
pub(crate) struct Rules {
    environment: Arc<Config>,
    code: Config,
    least: Least,
}

/// The least limits for any pool. Limits of attributes do not count.
#[derive(Default)]
struct Least {
    held_idle: Option<Duration>,
    held_too_long: Option<Duration>,
    slow_query: Option<Duration>,
}

/// The value that the attribute sets on the function, else the value set below it.
///
/// This is the one place that puts the attribute above the layers.
pub(super) fn nearest<T>(attribute: Option<T>, below: impl FnOnce() -> Option<T>) -> Option<T> {
    attribute.or_else(below)
}

impl Rules {
    pub(super) fn new(environment: Arc<Config>, code: Config) -> Self {
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
        rules
    }

    /// The rules with the same environment, and `code` in place of the configuration installed before.
    pub(super) fn with_code(&self, code: Config) -> Self {
        Self::new(Arc::clone(&self.environment), code)
    }

    /// The layers, nearest first.
    fn layers(&self) -> impl Iterator<Item = &Config> {
        [&*self.environment, &self.code].into_iter()
    }

    /// The value of the nearest layer that sets one.
    fn set<T>(&self, of: impl Fn(&Config) -> Option<T>) -> Option<T> {
        self.layers().find_map(of)
    }

    pub(crate) fn is_off(&self) -> bool {
        self.layers().any(|layer| layer.off)
    }

    /// The level of a lint for `function` and `pool`.
    pub(crate) fn level(
        &self,
        lint: Lint,
        function: Option<&Function>,
        pool: Option<&str>,
    ) -> Level {
        if self.is_off() {
            return Level::Allow;
        }
        let attribute = function.and_then(|function| function.options().level(lint));
        let level = nearest(attribute, || self.set(|layer| layer.level_of(lint, pool)))
            .unwrap_or_else(|| self.default_level(lint, function, pool));
        let caps = self.layers().filter_map(|layer| layer.cap);
        caps.fold(level, Level::min)
    }

    fn default_level(&self, lint: Lint, function: Option<&Function>, pool: Option<&str>) -> Level {
        match lint.stance() {
            Stance::Deny if cfg!(debug_assertions) => Level::Deny,
            Stance::WarnWhereLimited if self.limit(lint, function, pool).is_none() => Level::Allow,
            Stance::Deny | Stance::Warn | Stance::WarnWhereLimited => Level::Warn,
        }
    }

    fn limit(&self, lint: Lint, function: Option<&Function>, pool: Option<&str>) -> Option<Limit> {
        let attribute = function.and_then(|function| function.options().limit(lint));
        nearest(attribute, || self.set(|layer| layer.limit_of(lint, pool)))
            .or_else(|| lint.default_limit())
    }

    /// The limit of a lint for `function` and `pool`, if it is a time.
    pub(crate) fn time(
        &self,
        lint: Lint,
        function: Option<&Function>,
        pool: Option<&str>,
    ) -> Option<Duration> {
        self.limit(lint, function, pool)?.time()
    }

    /// The limit of a lint for `function` and `pool`, if it is a number.
    pub(crate) fn count(
        &self,
        lint: Lint,
        function: Option<&Function>,
        pool: Option<&str>,
    ) -> Option<u64> {
        self.limit(lint, function, pool)?.count()
    }

    /// The least number of pools that `duplicate_pool` allows to a call site in `function`, whatever their name.
    pub(crate) fn fewest_pools(&self, function: Option<&Function>) -> u64 {
        let lint = Lint::DuplicatePool;
        let entries = self.layers().flat_map(|layer| &layer.entries);
        let of_pools = entries.filter(|entry| entry.of == Selector::Lint(lint));
        of_pools
            .filter_map(|entry| entry.limit?.count())
            .chain(self.count(lint, function, None))
            .min()
            .unwrap_or(u64::MAX)
    }

    /// The budget of root scopes whose functions set none.
    pub(super) fn query_budget(&self) -> Option<u64> {
        self.count(Lint::QueryBudget, None, None)
    }

    /// The limit of a lint for `pool`, in percent.
    pub(crate) fn percent(&self, lint: Lint, pool: &str) -> u32 {
        match self.limit(lint, None, Some(pool)) {
            Some(Limit::Percent(limit)) => limit,
            _ => 100,
        }
    }

    /// The limit of a lint for `pool`, if it is a rate, in occurrences per second.
    pub(crate) fn per_second(&self, lint: Lint, pool: &str) -> Option<u32> {
        match self.limit(lint, None, Some(pool))? {
            Limit::PerSecond(limit) => Some(limit),
            _ => None,
        }
    }

    /// The least limit of a lint about handles or their statements for `function`, whatever the pool.
    pub(crate) fn least_time(&self, lint: Lint, function: Option<&Function>) -> Option<Duration> {
        let attribute = function.and_then(|function| function.options().time_limit(lint));
        nearest(attribute, || match lint {
            Lint::HeldIdle => self.least.held_idle,
            Lint::HeldTooLong => self.least.held_too_long,
            Lint::SlowQuery => self.least.slow_query,
            _ => None,
        })
    }

    /// The least of all limits for handles and their statements. Limits of attributes do not count.
    pub(crate) fn least_time_of_all(&self) -> Duration {
        let Least {
            held_idle,
            held_too_long,
            slow_query,
        } = self.least;
        let all = [held_idle, held_too_long, slow_query];
        all.into_iter().flatten().min().unwrap_or(Duration::MAX)
    }

    fn find_least(&self, lint: Lint) -> Option<Duration> {
        let entries = self.layers().flat_map(|layer| &layer.entries);
        let of_pools =
            entries.filter(|entry| entry.of == Selector::Lint(lint) && entry.pool.is_some());
        of_pools
            .filter_map(|entry| entry.limit?.time())
            .chain(self.time(lint, None, None))
            .min()
    }

    pub(super) fn return_timeout(&self) -> Option<Duration> {
        self.set(|layer| layer.return_timeout)
    }

    /// Where findings are printed, beside the log.
    pub(crate) fn print(&self) -> Print {
        let set = self.set(|layer| layer.print.clone());
        set.unwrap_or(Print::Off)
    }

    /// What the event of a finding has.
    pub(crate) fn events(&self) -> Events {
        self.set(|layer| layer.events).unwrap_or_default()
    }

    /// What spans are made of.
    pub(super) fn spans(&self) -> Spans {
        self.set(|layer| layer.spans).unwrap_or_default()
    }

    /// Whether a finding at `deny` fails also where it is not certain.
    pub(crate) fn fails_likely(&self) -> bool {
        self.set(|layer| layer.fail_likely).unwrap_or(false)
    }

    /// Whether a waiting acquire may make a connect of its own.
    pub(crate) fn may_probe(&self) -> bool {
        self.set(|layer| layer.connect_probe).unwrap_or(true)
    }

    /// Whether the metrics have series for call sites.
    pub(crate) fn has_metrics_of_sites(&self) -> bool {
        self.set(|layer| layer.metrics_sites).unwrap_or(false)
    }

    /// The interval of the reporter.
    pub(crate) fn report_interval(&self) -> Duration {
        self.set(|layer| layer.report)
            .unwrap_or(DEFAULT_REPORT_INTERVAL)
    }
}
