//! Properties of the text form.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;

use super::super::entry::{Entry, Selector};
use super::super::layer::Config;
use super::super::print::Print;
use super::lenient;
use crate::finding::{Group, Level, Limit, Lint, Unit};
use crate::properties::holds;

/// One entry: what it means, and how it is written.
type Written = (Meant, String);

#[derive(Clone, Debug)]
enum Meant {
    Entry(Entry),
    Cap(Level),
    Report(Duration),
    ReturnTimeout(Duration),
    ConnectProbe(bool),
    MetricsSites(bool),
    Print(Print),
    FailLikely(bool),
    Off,
}

impl Meant {
    fn apply(self, config: &mut Config) {
        match self {
            Meant::Entry(entry) => config.entries.push(entry),
            Meant::Cap(level) => config.cap = Some(level),
            Meant::Report(interval) => config.report = Some(interval),
            Meant::ReturnTimeout(limit) => config.return_timeout = Some(limit),
            Meant::ConnectProbe(allowed) => config.connect_probe = Some(allowed),
            Meant::MetricsSites(shown) => config.metrics_sites = Some(shown),
            Meant::Print(print) => config.print = Some(print),
            Meant::FailLikely(fail) => config.fail_likely = Some(fail),
            Meant::Off => config.off = true,
        }
    }
}

fn level() -> impl Strategy<Value = Level> {
    select(&[Level::Allow, Level::Warn, Level::Deny][..])
}

fn time() -> impl Strategy<Value = Duration> {
    let seconds = prop_oneof![0..200_u64, any::<u32>().prop_map(u64::from)];
    let nanos = prop_oneof![Just(0), 0..1_000_000_000_u32];
    (seconds, nanos)
        .prop_map(|(seconds, nanos)| Duration::new(seconds, nanos))
        .prop_filter("none is zero", |time| !time.is_zero())
}

fn limit(lint: Lint) -> BoxedStrategy<Option<Limit>> {
    match lint.unit() {
        Unit::Time => time().prop_map(|time| Some(Limit::Time(time))).boxed(),
        Unit::Count => (1_u64..)
            .prop_map(|count| Some(Limit::Count(count)))
            .boxed(),
        Unit::Percent => (1..=100_u32)
            .prop_map(|share| Some(Limit::Percent(share)))
            .boxed(),
        Unit::PerSecond => (1_u32..)
            .prop_map(|rate| Some(Limit::PerSecond(rate)))
            .boxed(),
        Unit::None => Just(None).boxed(),
    }
}

/// The names of pools. Some contain commas, equals signs or an IPv6 address.
fn pool() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        Just(None),
        "[a-zé0-9:=, .%/-]{1,12}".prop_map(Some),
        "\\[::1\\]:5432/[a-z]{1,5}".prop_map(Some),
    ]
    .prop_map(|name| name.map(|name| name.trim().to_owned()))
    .prop_filter("a pool has a name", |name| name.as_deref() != Some(""))
}

fn pool_for(lint: Lint) -> BoxedStrategy<Option<String>> {
    match lint {
        Lint::QueryBudget => Just(None).boxed(),
        _ => pool().boxed(),
    }
}

fn of_lint() -> impl Strategy<Value = Written> {
    let lint = select(&Lint::ALL[..]);
    let parts = lint.prop_flat_map(|lint| {
        (
            Just(lint),
            pool_for(lint),
            proptest::option::of(level()),
            limit(lint),
        )
    });
    parts
        .prop_filter("sets something", |(_, _, level, limit)| {
            level.is_some() || limit.is_some()
        })
        .prop_map(|(lint, pool, level, limit)| {
            let mut text = lint.to_string();
            if let Some(pool) = &pool {
                text += &format!("[{pool}]");
            }
            text += &match (level, limit) {
                (Some(level), Some(limit)) => format!("={level}:{limit}"),
                (Some(level), None) => format!("={level}"),
                (None, limit) => format!("={}", limit.expect("one of the two")),
            };
            let of = Selector::Lint(lint);
            (
                Meant::Entry(Entry {
                    of,
                    pool,
                    level,
                    limit,
                }),
                text,
            )
        })
}

fn of_group() -> impl Strategy<Value = Written> {
    let group = select::<Group>(&Group::ALL[..]);
    (group, level()).prop_map(|(group, level)| {
        let entry = Entry {
            of: Selector::Group(group),
            pool: None,
            level: Some(level),
            limit: None,
        };
        (Meant::Entry(entry), format!("{}={level}", group.name()))
    })
}

fn right() -> impl Strategy<Value = Written> {
    prop_oneof![
        8 => of_lint(),
        2 => of_group(),
        1 => level().prop_map(|level| (Meant::Cap(level), format!("cap={level}"))),
        1 => time().prop_map(|time| (Meant::Report(time), format!("report={}", Limit::Time(time)))),
        1 => time().prop_map(|time| {
            (Meant::ReturnTimeout(time), format!("return_timeout={}", Limit::Time(time)))
        }),
        1 => any::<bool>().prop_map(|on| {
            (Meant::ConnectProbe(on), format!("connect_probe={}", if on { "on" } else { "off" }))
        }),
        1 => any::<bool>().prop_map(|on| {
            (Meant::MetricsSites(on), format!("metrics_sites={}", if on { "on" } else { "off" }))
        }),
        1 => "[a-z/=: .]{0,9}[a-z]".prop_map(|text| {
            let text = format!("/{text}");
            (Meant::Print(Print::File(text.as_str().into())), format!("print={text}"))
        }),
        1 => Just((Meant::Print(Print::Stderr), "print=stderr".to_owned())),
        1 => any::<bool>().prop_map(|fail| {
            (Meant::FailLikely(fail), format!("fail={}", if fail { "likely" } else { "certain" }))
        }),
        1 => Just((Meant::Off, "off".to_owned())),
    ]
}

fn wrong() -> impl Strategy<Value = String> {
    let mistakes = prop_oneof![
        "[a-z_=\\[\\]:%/0-9 é.]{1,24}",
        right().prop_map(|(_, text)| text.replace('=', "=x")),
        right().prop_map(|(_, text)| text.replace(']', "")),
        right().prop_map(|(_, text)| text.replace('[', "")),
        right().prop_map(|(_, text)| format!("x{text}")),
    ];
    mistakes.prop_filter("is one wrong entry", |text| {
        !text.contains(',') && lenient(text).1.is_some()
    })
}

fn meant(written: &[Written]) -> Config {
    let mut config = Config::default();
    for (meant, _) in written {
        meant.clone().apply(&mut config);
    }
    config
}

#[test]
fn what_is_written_is_what_is_meant() {
    let all = prop::collection::vec((right(), select(&["", " ", "\t "][..])), 0..6);
    holds(1_000, &all, |all| {
        let (written, spaces): (Vec<_>, Vec<_>) = all.iter().cloned().unzip();
        let entries: Vec<_> = written
            .iter()
            .zip(spaces)
            .map(|((_, text), space)| format!("{space}{text}{space}"))
            .collect();
        let text = entries.join(",");
        let (config, error) = lenient(&text);
        assert_eq!(error, None, "{text}");
        assert_eq!(
            format!("{config:?}"),
            format!("{:?}", meant(&written)),
            "{text}"
        );
    });
}

#[test]
fn a_wrong_entry_stops_no_other() {
    let around = || prop::collection::vec(right(), 0..4);
    holds(
        1_000,
        &(around(), wrong(), around()),
        |(before, wrong, after)| {
            let texts = before.iter().map(|(_, text)| text).chain([wrong]);
            let texts: Vec<_> = texts.chain(after.iter().map(|(_, text)| text)).collect();
            let text = texts
                .iter()
                .map(|text| text.as_str())
                .collect::<Vec<_>>()
                .join(",");
            let (config, error) = lenient(&text);
            let error = error.expect("the mistake is reported").to_string();
            assert!(error.contains(wrong.trim()), "{error}");
            let all: Vec<_> = before.iter().chain(after).cloned().collect();
            assert_eq!(
                format!("{config:?}"),
                format!("{:?}", meant(&all)),
                "{text}"
            );
        },
    );
}

#[test]
fn no_text_is_too_strange() {
    let pieces: &[&str] = &[
        "held_idle",
        "n_plus_one",
        "all",
        "cap",
        "off",
        "=",
        "[",
        "]",
        ",",
        ":",
        "warn",
        "10s",
        "1%",
        "2/s",
        " ",
        "é",
        "18446744073709551616",
        "99999999999999999y",
        "0",
    ];
    let soup = prop::collection::vec(select(pieces), 0..30).prop_map(|pieces| pieces.concat());
    holds(2_000, &prop_oneof![any::<String>(), soup], |text| {
        let (_, error) = lenient(text);
        if let Some(error) = error {
            assert!(!error.to_string().is_empty());
        }
    });
}
