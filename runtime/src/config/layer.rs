//! A layer of configuration: the environment's, or that of the code.

use std::path::PathBuf;
use std::time::Duration;

use super::entry::{Entry, Selector};
use super::print::Print;
use super::{ConfigError, Events, Spans};
use crate::finding::{Level, Limit, Lint, Unit};

/// Levels, limits and settings, from code or from text.
///
/// The nearest wins: `#[track(…)]` on the function, then the environment variable `SQLX_LEASH`, then an
/// [installed](Config::install) `Config`, then the default. The text form, which the variable and
/// [`FromStr`](std::str::FromStr) take, is a list of entries separated by commas:
///
/// | entry | means |
/// | --- | --- |
/// | `slow_query=deny` | a level |
/// | `held_idle=10s` | a limit |
/// | `held_idle=warn:10s` | both |
/// | `held_idle[reporting]=5m` | for the pool named `reporting` |
/// | `leaks=allow` | for a group: `all`, `leaks`, `pool`, `queries` |
/// | `cap=warn` | a ceiling over every level, those of attributes included |
/// | `report=30s` | how often the reporter reports |
/// | `return_timeout=10s` | a connection whose return to its pool takes longer is closed, which frees its permit |
/// | `connect_probe=off` | an acquire that waits for a server makes no connect of its own to learn why |
/// | `metrics_sites=on` | `leash::prometheus()` has series for call sites |
/// | `print=stderr`, `print=FILE` | every finding is written there as well; `print=off` for nowhere |
/// | `events=fields` | a finding's event has its parts as fields and a message of one line; `events=drawing`, `events=both`: see [`Events`] |
/// | `spans=statements`, `spans=all` | `tracing` spans of statements, or of waits and transactions as well (`spans=off`: the default) |
/// | `fail=likely` | for tests: a finding at `deny` also panics where it is not certain (`fail=certain`: the default) |
/// | `off` | the tracker is off |
///
/// An entry for a lint and a pool beats one for the lint, which beats one for a group. Among equals the later wins.
#[derive(Clone, Debug, Default)]
pub struct Config {
    pub(super) entries: Vec<Entry>,
    pub(super) cap: Option<Level>,
    pub(super) report: Option<Duration>,
    pub(super) return_timeout: Option<Duration>,
    pub(super) connect_probe: Option<bool>,
    pub(super) metrics_sites: Option<bool>,
    pub(super) print: Option<Print>,
    pub(super) events: Option<Events>,
    pub(super) spans: Option<Spans>,
    pub(super) fail_likely: Option<bool>,
    pub(super) off: bool,
}

impl Config {
    /// A configuration that sets nothing.
    pub fn new() -> Self {
        Self::default()
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
    /// The limit must be of the lint's unit: a time for `held_idle`, a number for `query_budget`.
    ///
    /// A limit of another unit has no effect. It is reported at ERROR once the configuration is
    /// [installed](Config::install), as a wrong entry of the environment is.
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

    /// Sets a ceiling over every level, those of attributes included.
    #[must_use]
    pub fn cap(mut self, level: Level) -> Self {
        self.cap = Some(level);
        self
    }

    /// Switches the tracker off at run time: it counts nothing and looks for nothing.
    #[must_use]
    pub fn off(mut self) -> Self {
        self.off = true;
        self
    }

    /// Sets how often the [reporter](crate::leash::spawn_reporter) reports: every 60 s by default.
    #[must_use]
    pub fn report_every(mut self, interval: Duration) -> Self {
        self.report = Some(interval);
        self
    }

    /// Closes a connection whose return to its pool takes longer than `limit`, which frees its permit.
    ///
    /// By default there is no such limit, as in sqlx: a return that hangs because the peer is silent keeps its permit.
    #[must_use]
    pub fn return_timeout(mut self, limit: Duration) -> Self {
        self.return_timeout = Some(limit);
        self
    }

    /// Sets whether an acquire that waits for a server may make a connect of its own, to learn why: on by default.
    ///
    /// A pool makes at most one such connect a minute, or one in 5 s if an acquire was served in between. The connect
    /// is dropped when the acquire ends. There is none for SQLite.
    #[must_use]
    pub fn connect_probe(mut self, allowed: bool) -> Self {
        self.connect_probe = Some(allowed);
        self
    }

    /// Sets whether [`prometheus`](crate::leash::prometheus) has series for call sites: off by default.
    ///
    /// They are named by function and summary. The busiest 500 have series of their own; the others count as `other`.
    #[must_use]
    pub fn metrics_sites(mut self, shown: bool) -> Self {
        self.metrics_sites = Some(shown);
        self
    }

    /// Writes every finding to standard error as well, whatever the subscriber does with its event.
    ///
    /// What a test prints is shown only if it fails; this is shown always.
    #[must_use]
    pub fn print_to_stderr(mut self) -> Self {
        self.print = Some(Print::Stderr);
        self
    }

    /// Appends every finding to a file as well, whatever the subscriber does with its event.
    ///
    /// A finding is one write, so several processes may share the file. If the file cannot be opened, one error says so
    /// and the findings go to standard error.
    #[must_use]
    pub fn print_to_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.print = Some(Print::File(path.into()));
        self
    }

    /// Sets what the event of a finding has: its parts as fields, its drawing as the message, or both, which is the default.
    #[must_use]
    pub fn events(mut self, events: Events) -> Self {
        self.events = Some(events);
        self
    }

    /// Sets what `tracing` spans are made of: nothing by default.
    ///
    /// Their names, fields and parents are in [`leash::guide::spans`](crate::leash::guide::spans).
    #[must_use]
    pub fn spans(mut self, spans: Spans) -> Self {
        self.spans = Some(spans);
        self
    }

    /// Sets whether a finding at `deny` panics also where it is not certain: for tests, off by default.
    ///
    /// Where the program is not at the place that the finding is about (the watchdog made it, or a destructor), the
    /// panic comes later: see [`leash::guide::testing`](crate::leash::guide::testing). A release build never panics.
    #[must_use]
    pub fn fail_on_likely(mut self, fail: bool) -> Self {
        self.fail_likely = Some(fail);
        self
    }

    /// The limits that are not of their lint's unit, as errors.
    pub(super) fn wrong_limits(&self) -> Option<ConfigError> {
        let wrong = self.entries.iter().filter_map(|entry| {
            let (Selector::Lint(lint), Some(limit)) = (entry.of, entry.limit) else {
                return None;
            };
            (limit.unit() != lint.unit()).then(|| ConfigError::BadValue {
                entry: format!("limit(Lint::{lint:?}, {limit})"),
                value: limit.to_string(),
                expected: expected(lint.unit()),
            })
        });
        ConfigError::all_of(wrong.collect())
    }

    pub(super) fn level_of(&self, lint: Lint, pool: Option<&str>) -> Option<Level> {
        self.closest(lint, pool, |entry| entry.level)
    }

    pub(super) fn limit_of(&self, lint: Lint, pool: Option<&str>) -> Option<Limit> {
        self.closest(lint, pool, |entry| {
            entry.limit.filter(|limit| limit.unit() == lint.unit())
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

/// What [`Config::limit`] accepts for a lint with this unit.
fn expected(unit: Unit) -> &'static str {
    match unit {
        Unit::Time => "a time; pass a `Duration`",
        Unit::Count => "a number of occurrences; pass a `u64`",
        Unit::Percent => "a share of the pool; pass a `Limit::Percent`",
        Unit::PerSecond => "a rate; pass a `Limit::PerSecond`",
        Unit::None => "allowed: the lint has no limit; set only its level",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(config: &Config, error: &str) {
        let found = config.wrong_limits().map(|error| error.to_string());
        assert_eq!(found.unwrap_or_default(), error);
    }

    #[test]
    fn a_limit_of_another_unit_is_an_error() {
        let five = Duration::from_secs(5);
        check(&Config::new().limit(Lint::HeldIdle, five), "");
        check(
            &Config::new().limit(Lint::HeldIdle, 5),
            "`limit(Lint::HeldIdle, 5)`: `5` is not a time; pass a `Duration`",
        );
        check(
            &Config::new().limit(Lint::QueryBudget, five),
            "`limit(Lint::QueryBudget, 5s)`: `5s` is not a number of occurrences; pass a `u64`",
        );
        check(
            &Config::new().limit(Lint::PoolPressure, 90),
            "`limit(Lint::PoolPressure, 90)`: `90` is not a share of the pool; pass a `Limit::Percent`",
        );
        check(
            &Config::new().limit(Lint::ConnectionChurn, 2),
            "`limit(Lint::ConnectionChurn, 2)`: `2` is not a rate; pass a `Limit::PerSecond`",
        );
        check(
            &Config::new().limit(Lint::OutlivedScope, 1),
            "`limit(Lint::OutlivedScope, 1)`: `1` is not allowed: the lint has no limit; set only its level",
        );
    }

    #[test]
    fn all_limits_of_another_unit_are_errors() {
        let both = Config::new()
            .limit(Lint::HeldIdle, 5)
            .limit(Lint::SlowQuery, 1);
        assert!(
            matches!(both.wrong_limits(), Some(ConfigError::Several(errors)) if errors.len() == 2)
        );
    }
}
