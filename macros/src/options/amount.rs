//! The value of a limit.

use std::time::Duration;

use crate::lints::Unit;

/// The value of a limit, in the unit of its lint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Amount {
    Time(Duration),
    Count(u64),
    Percent(u32),
    PerSecond(u32),
}

/// Parses a value that is written in quotes.
///
/// # Errors
///
/// Returns the middle part of a message: what is wrong, between the name of the option and the remedy.
pub(super) fn quoted(unit: Unit, text: &str) -> Result<Amount, String> {
    let zero = || String::from("cannot be zero");
    let whole = |number: &str| match number.trim().parse::<u32>() {
        Ok(0) => Err(zero()),
        Ok(number) => Ok(number),
        Err(_) => Err(format!("takes {}", unit.phrase())),
    };
    match unit {
        Unit::Time => match humantime::parse_duration(text) {
            Ok(Duration::ZERO) => Err(zero()),
            Ok(time) => Ok(Amount::Time(time)),
            Err(error) => Err(format!("is not a valid duration: {error}")),
        },
        Unit::Percent => match whole(text.strip_suffix('%').unwrap_or("?"))? {
            percent @ ..=100 => Ok(Amount::Percent(percent)),
            _ => Err(String::from("cannot be more than 100%")),
        },
        Unit::PerSecond => whole(text.strip_suffix("/s").unwrap_or("?")).map(Amount::PerSecond),
        Unit::Count | Unit::None => unreachable!("BUG: this unit is not written in quotes"),
    }
}
