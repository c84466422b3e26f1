//! The text form of a configuration.

use std::str::FromStr;
use std::time::Duration;

use super::entry::{Entry, Selector};
use super::layer::Config;
use super::print::Print;
use super::{ConfigError, Events, Spans};
use crate::finding::{Group, Level, Limit, Lint, Unit};

const SETTINGS: [&str; 10] = [
    "cap",
    "report",
    "return_timeout",
    "connect_probe",
    "metrics_sites",
    "print",
    "events",
    "spans",
    "fail",
    "off",
];
const A_TIME: &str = "a time above zero; write `30s`";
const A_PLACE: &str = "a place; write `stderr`, `off`, or a file's path like `./findings.txt`";
const A_SWITCH: &str = "a switch; write `on` or `off`";
const SPANS: &str = "what spans are made of; write `off`, `statements` or `all`";
const A_LEVEL: &str = "a level; write `allow`, `warn` or `deny`";

fn switch(text: &str) -> Option<bool> {
    match text {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

fn expected(unit: Unit) -> &'static str {
    match unit {
        Unit::Time => "a level or a time above zero; write `warn`, `10s` or `warn:10s`",
        Unit::Count => "a level or a whole number above zero; write `warn`, `10` or `warn:10`",
        Unit::Percent => "a level or a share from 1% to 100%; write `warn`, `90%` or `warn:90%`",
        Unit::PerSecond => "a level or a rate above zero; write `warn`, `2/s` or `warn:2/s`",
        Unit::None => "a level (this lint has no limit); write `allow`, `warn` or `deny`",
    }
}

fn limit(unit: Unit, text: &str) -> Option<Limit> {
    match unit {
        Unit::Time => time(text).map(Limit::Time),
        Unit::Count => text
            .parse()
            .ok()
            .filter(|&count| count > 0)
            .map(Limit::Count),
        Unit::Percent => text
            .strip_suffix('%')?
            .trim()
            .parse()
            .ok()
            .filter(|share| (1..=100).contains(share))
            .map(Limit::Percent),
        Unit::PerSecond => text
            .strip_suffix("/s")?
            .trim()
            .parse()
            .ok()
            .filter(|&rate| rate > 0)
            .map(Limit::PerSecond),
        Unit::None => None,
    }
}

fn time(text: &str) -> Option<Duration> {
    humantime::parse_duration(text)
        .ok()
        .filter(|time| !time.is_zero())
}

impl FromStr for Config {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match lenient(text) {
            (config, None) => Ok(config),
            (_, Some(error)) => Err(error),
        }
    }
}

/// The configuration of the right entries of `text`, and the errors of the wrong ones.
pub(super) fn lenient(text: &str) -> (Config, Option<ConfigError>) {
    let mut config = Config::default();
    let errors = entries(text)
        .filter_map(|entry| apply(&mut config, entry).err())
        .collect();
    (config, ConfigError::all_of(errors))
}

/// The entries, trimmed. A comma inside brackets belongs to a pool's name. A bracket that is never closed makes only
/// its own entry wrong: the next comma ends that entry.
fn entries(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    let split = std::iter::from_fn(move || {
        let text = rest?;
        let mut from = 0;
        while let Some(at) = text[from..].find([',', '[']) {
            let (at, behind) = (from + at, from + at + 1);
            if text.as_bytes()[at] == b',' {
                rest = Some(&text[behind..]);
                return Some(&text[..at]);
            }
            let bracket = text[behind..].find(['[', ']']).map(|at| behind + at);
            from = bracket
                .filter(|&at| text.as_bytes()[at] == b']')
                .map_or(behind, |at| at + 1);
        }
        rest = None;
        Some(text)
    });
    split.map(str::trim).filter(|entry| !entry.is_empty())
}

fn apply(config: &mut Config, entry: &str) -> Result<(), ConfigError> {
    if entry == "off" {
        config.off = true;
        return Ok(());
    }
    let malformed = || ConfigError::Malformed {
        entry: entry.to_owned(),
    };
    // A pool's name may contain `=`: the value begins after the bracket.
    let (name, pool, value) = match entry.split_once('[') {
        Some((name, rest)) if !name.contains('=') => {
            let (pool, value) = rest.rsplit_once(']').ok_or_else(malformed)?;
            let value = value.trim_start().strip_prefix('=').ok_or_else(malformed)?;
            (name.trim(), Some(pool.trim()), value.trim())
        }
        _ => {
            let (name, value) = entry.split_once('=').ok_or_else(|| {
                // For a word without a value, an unknown name is the mistake to report.
                if SETTINGS.contains(&entry) || selector(entry).is_some() {
                    malformed()
                } else {
                    unknown(entry, entry)
                }
            })?;
            (name.trim(), None, value.trim())
        }
    };
    if pool.is_some_and(str::is_empty) || value.is_empty() {
        return Err(malformed());
    }
    let bad = |expected| ConfigError::BadValue {
        entry: entry.to_owned(),
        value: value.to_owned(),
        expected,
    };
    match (name, pool) {
        ("cap", None) => config.cap = Some(value.parse().map_err(|_| bad(A_LEVEL))?),
        ("report", None) => {
            config.report = Some(time(value).ok_or_else(|| bad(A_TIME))?);
        }
        ("return_timeout", None) => {
            config.return_timeout = Some(time(value).ok_or_else(|| bad(A_TIME))?);
        }
        ("connect_probe", None) => {
            config.connect_probe = Some(switch(value).ok_or_else(|| bad(A_SWITCH))?);
        }
        ("metrics_sites", None) => {
            config.metrics_sites = Some(switch(value).ok_or_else(|| bad(A_SWITCH))?);
        }
        ("print", None) => {
            config.print = Some(Print::of(value).ok_or_else(|| bad(A_PLACE))?);
        }
        ("events", None) => {
            let expected = "a form of events; write `fields`, `drawing` or `both`";
            config.events = Some(Events::of(value).ok_or_else(|| bad(expected))?);
        }
        ("spans", None) => {
            config.spans = Some(Spans::of(value).ok_or_else(|| bad(SPANS))?);
        }
        ("fail", None) => {
            config.fail_likely = Some(match value {
                "certain" => false,
                "likely" => true,
                _ => return Err(bad("a certainty; write `certain` or `likely`")),
            });
        }
        ("off", None) => return Err(bad("allowed: `off` takes no value; write `off` alone")),
        (name, Some(_)) if SETTINGS.contains(&name) || name == Lint::QueryBudget.name() => {
            return Err(ConfigError::NotOfAPool {
                entry: entry.to_owned(),
                name: name.to_owned(),
                value: value.to_owned(),
            });
        }
        _ => {
            let of = selector(name).ok_or_else(|| unknown(entry, name))?;
            let (level, limit) = level_and_limit(of, value).ok_or_else(|| {
                bad(match of {
                    Selector::Lint(lint) => expected(lint.unit()),
                    Selector::Group(_) => A_LEVEL,
                })
            })?;
            config.entries.push(Entry {
                of,
                pool: pool.map(str::to_owned),
                level,
                limit,
            });
        }
    }
    Ok(())
}

fn selector(name: &str) -> Option<Selector> {
    if let Some(group) = Group::ALL.into_iter().find(|group| group.name() == name) {
        return Some(Selector::Group(group));
    }
    name.parse().ok().map(Selector::Lint)
}

fn level_and_limit(of: Selector, value: &str) -> Option<(Option<Level>, Option<Limit>)> {
    let limit = |text: &str| match of {
        Selector::Lint(lint) => limit(lint.unit(), text.trim()),
        Selector::Group(_) => None,
    };
    if let Some((level, text)) = value.split_once(':') {
        return Some((Some(level.trim().parse().ok()?), Some(limit(text)?)));
    }
    match value.parse::<Level>() {
        Ok(level) => Some((Some(level), None)),
        Err(_) => Some((None, Some(limit(value)?))),
    }
}

fn unknown(entry: &str, name: &str) -> ConfigError {
    let names = Lint::ALL
        .iter()
        .map(|lint| lint.name())
        .chain(Group::ALL.map(Group::name))
        .chain(SETTINGS)
        // A name that is much longer is no misspelling, and takes long to compare.
        .filter(|known| name.len() <= 2 * known.len());
    let suggestion = names
        .map(|known| (strsim::damerau_levenshtein(known, name), known))
        .min()
        .filter(|(distance, known)| *distance <= known.len() / 3)
        .map(|(_, known)| known);
    ConfigError::UnknownName {
        entry: entry.to_owned(),
        name: name.to_owned(),
        suggestion,
    }
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, error: &str) {
        let (_, found) = lenient(text);
        assert_eq!(
            found.map(|error| error.to_string()).unwrap_or_default(),
            error,
            "{text}"
        );
    }

    #[test]
    fn right_entries_are_taken() {
        check("", "");
        check(
            " n_plus_one=deny, held_idle=warn:10s,held_idle[reporting]=5m,report=30s,return_timeout=10s,connect_probe=off ",
            "",
        );
        check(
            "all=allow,cap=warn,off,pool_pressure=80%,connection_churn=3/s,query_budget=20",
            "",
        );
        check("held_idle[a, b=c]=1h,", "");
        check("print=stderr,print=logs/a=b.txt,print=off", "");
        check("fail=likely,fail=certain", "");
        check("events=fields,events=drawing,events=both", "");
        check("spans=all,spans=statements,spans=off", "");
    }

    #[test]
    fn wrong_entries_are_reported_with_their_remedy() {
        check(
            "held_idel=1s",
            "`held_idel=1s`: there is no lint, group or setting `held_idel`; did you mean `held_idle`?",
        );
        check(
            "offf",
            "`offf`: there is no lint, group or setting `offf`; did you mean `off`?",
        );
        check(
            "held_idle",
            "`held_idle` is not of the form `name=value` or `name[pool]=value`; write it like `held_idle=warn:10s`",
        );
        check(
            "held_idle[x=1s",
            "`held_idle[x=1s` is not of the form `name=value` or `name[pool]=value`; write it like `held_idle=warn:10s`",
        );
        check(
            "held_idle=10",
            "`held_idle=10`: `10` is not a level or a time above zero; write `warn`, `10s` or `warn:10s`",
        );
        check(
            "n_plus_one=0",
            "`n_plus_one=0`: `0` is not a level or a whole number above zero; write `warn`, `10` or `warn:10`",
        );
        check(
            "outlived_scope=5s",
            "`outlived_scope=5s`: `5s` is not a level (this lint has no limit); write `allow`, `warn` or `deny`",
        );
        check(
            "leaks=5s",
            "`leaks=5s`: `5s` is not a level; write `allow`, `warn` or `deny`",
        );
        check(
            "cap=loud",
            "`cap=loud`: `loud` is not a level; write `allow`, `warn` or `deny`",
        );
        check(
            "return_timeout=soon",
            "`return_timeout=soon`: `soon` is not a time above zero; write `30s`",
        );
        check(
            "report",
            "`report` is not of the form `name=value` or `name[pool]=value`; write it like `held_idle=warn:10s`",
        );
        check(
            "off=true",
            "`off=true`: `true` is not allowed: `off` takes no value; write `off` alone",
        );
        check(
            "cap[x]=warn",
            "`cap[x]=warn`: `cap` cannot be set for a single pool; write `cap=warn`",
        );
        check(
            "query_budget[x]=3",
            "`query_budget[x]=3`: `query_budget` cannot be set for a single pool; write `query_budget=3`",
        );
    }

    #[test]
    fn wrong_choices_are_reported_with_those_that_there_are() {
        check(
            "events=json",
            "`events=json`: `json` is not a form of events; write `fields`, `drawing` or `both`",
        );
        check(
            "events[x]=both",
            "`events[x]=both`: `events` cannot be set for a single pool; write `events=both`",
        );
        check(
            "event=both",
            "`event=both`: there is no lint, group or setting `event`; did you mean `events`?",
        );
        check(
            "fail=maybe",
            "`fail=maybe`: `maybe` is not a certainty; write `certain` or `likely`",
        );
        check(
            "spans=on",
            "`spans=on`: `on` is not what spans are made of; write `off`, `statements` or `all`",
        );
        check(
            "spans[x]=all",
            "`spans[x]=all`: `spans` cannot be set for a single pool; write `spans=all`",
        );
        check("print=./stdout", "");
        check(
            "print=stdout",
            "`print=stdout`: `stdout` is not a place; write `stderr`, `off`, or a file's path like `./findings.txt`",
        );
        check(
            "print=",
            "`print=` is not of the form `name=value` or `name[pool]=value`; write it like `held_idle=warn:10s`",
        );
        check(
            "print[x]=stderr",
            "`print[x]=stderr`: `print` cannot be set for a single pool; write `print=stderr`",
        );
        check(
            "connect_probe=maybe",
            "`connect_probe=maybe`: `maybe` is not a switch; write `on` or `off`",
        );
        check(
            "metrics_sites=1",
            "`metrics_sites=1`: `1` is not a switch; write `on` or `off`",
        );
        check(
            "metrics_sites[x]=on",
            "`metrics_sites[x]=on`: `metrics_sites` cannot be set for a single pool; write `metrics_sites=on`",
        );
    }

    #[test]
    fn all_mistakes_are_reported_and_the_rest_applies() {
        let (config, error) = lenient("cap=loud,slow_query=deny,nonsense=1");
        assert!(matches!(error, Some(ConfigError::Several(errors)) if errors.len() == 2));
        assert_eq!(config.entries.len(), 1);
        let (config, error) = lenient("held_idle[x=1s,cap=warn,held_idle[y]=2s");
        assert!(matches!(error, Some(ConfigError::Malformed { .. })));
        assert_eq!((config.cap, config.entries.len()), (Some(Level::Warn), 1));
    }

    #[test]
    fn a_pool_beats_a_lint_beats_a_group_and_later_beats_earlier() {
        let text = "held_idle[a]=deny,held_idle=allow,leaks=warn,held_idle=warn";
        let (config, _) = lenient(text);
        assert_eq!(
            config.level_of(Lint::HeldIdle, Some("a")),
            Some(Level::Deny)
        );
        assert_eq!(
            config.level_of(Lint::HeldIdle, Some("b")),
            Some(Level::Warn)
        );
        assert_eq!(config.level_of(Lint::HeldIdle, None), Some(Level::Warn));
        assert_eq!(
            config.level_of(Lint::OutlivedScope, None),
            Some(Level::Warn)
        );
        assert_eq!(config.level_of(Lint::SlowQuery, None), None);
    }
}
