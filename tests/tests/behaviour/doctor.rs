//! `leash::doctor`: what it says of limits that contradict a pool's options, and of those that do not.

use std::panic::Location;

use sqlx::leash::{Check, CheckVerdict, Diagnosis, SettingValue};

mod mysql;
mod page;
mod poolers;
mod postgres;
mod sqlite;
mod unseen;

/// The check of that name, if its result is the expected one.
#[track_caller]
fn check<'d>(diagnosis: &'d Diagnosis, name: &str, verdict: CheckVerdict) -> &'d Check {
    let check = diagnosis.check(name);
    let check = check.unwrap_or_else(|| panic!("there is no check `{name}`:\n{diagnosis}"));
    assert_eq!(check.verdict, verdict, "{name}:\n{diagnosis}\n{check:#?}");
    check
}

#[track_caller]
fn ok<'d>(diagnosis: &'d Diagnosis, name: &str) -> &'d Check {
    check(diagnosis, name, CheckVerdict::Ok)
}

/// The check of that name, which warns and says what to write.
#[track_caller]
fn warns<'d>(diagnosis: &'d Diagnosis, name: &str) -> &'d Check {
    let check = check(diagnosis, name, CheckVerdict::Warning);
    assert!(!check.help.is_empty(), "{check:#?}");
    check
}

#[track_caller]
fn unknown<'d>(diagnosis: &'d Diagnosis, name: &str) -> &'d Check {
    let check = check(diagnosis, name, CheckVerdict::Unknown);
    assert!(check.help.is_empty(), "{check:#?}");
    check
}

/// Asserts the two values of a check.
#[track_caller]
fn compares(check: &Check, program: impl Into<Value>, server: impl Into<Value>) {
    let values = [&check.program, &check.server].map(|setting| {
        let setting = setting.as_ref();
        let setting = setting.unwrap_or_else(|| panic!("a value is missing: {check:#?}"));
        setting.value.clone()
    });
    assert_eq!(values, [program.into().0, server.into().0], "{check:#?}");
}

/// Asserts that something to write is exactly this.
#[track_caller]
fn helps(check: &Check, help: &str) {
    assert!(
        check.help.iter().any(|it| it.contains(help)),
        "{}: `{help}` is not in {:#?}",
        Location::caller(),
        check.help
    );
}

struct Value(SettingValue);

impl From<std::time::Duration> for Value {
    fn from(time: std::time::Duration) -> Self {
        Self(SettingValue::Time(time))
    }
}

impl From<u64> for Value {
    fn from(count: u64) -> Self {
        Self(SettingValue::Count(count))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self(SettingValue::Text(text.to_owned()))
    }
}

/// No limit.
struct Unlimited;

impl From<Unlimited> for Value {
    fn from(_: Unlimited) -> Self {
        Self(SettingValue::Unlimited)
    }
}
