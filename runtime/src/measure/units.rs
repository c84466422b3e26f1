//! Durations and counts, as text and in other units.

use std::time::Duration;

pub(crate) use crate::millis::millis;

/// `1.23 ms`: three digits and a unit.
pub(crate) fn short(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    let (value, unit) = match duration.as_nanos() {
        0 => return "0".to_owned(),
        1..1_000 => (seconds * 1e9, "ns"),
        1_000..1_000_000 => (seconds * 1e6, "µs"),
        1_000_000..1_000_000_000 => (seconds * 1e3, "ms"),
        1_000_000_000..120_000_000_000 => (seconds, "s"),
        _ => (seconds / 60.0, "min"),
    };
    let decimals = if unit == "ns" || value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.decimals$} {unit}")
}

/// The same without zeros at the end, for a duration that somebody has written: `50 s`, `1.5 s`.
pub(crate) fn round(duration: Duration) -> String {
    let text = short(duration);
    match text.split_once(' ') {
        Some((number, unit)) if number.contains('.') => {
            let number = number.trim_end_matches('0').trim_end_matches('.');
            format!("{number} {unit}")
        }
        _ => text,
    }
}

/// `1.23`: three digits.
pub(crate) fn decimal(number: f64) -> String {
    let decimals = match number {
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    format!("{number:.decimals$}")
}

/// `88 %`, of a share between 0.0 and 1.0.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

/// `number` in this time, as a rate a second: `3`, `2.5`, `120`.
pub(crate) fn per_second(number: u64, over: Duration) -> String {
    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
    let rate = number as f64 / over.as_secs_f64();
    let rate = format!("{rate:.*}", usize::from(rate < 10.0));
    rate.strip_suffix(".0").map_or(rate.clone(), str::to_owned)
}

/// Nanoseconds, at most `u64::MAX`.
#[inline]
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// `1 statement`, `2 statements`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_digits() {
        let texts: Vec<String> = [
            0,
            900,
            1_000,
            12_340,
            999_000,
            1_234_567,
            5_000_000_000,
            600_000_000_000,
        ]
        .map(|n| short(Duration::from_nanos(n)))
        .into();
        assert_eq!(
            texts,
            [
                "0", "900 ns", "1.00 µs", "12.3 µs", "999 µs", "1.23 ms", "5.00 s", "10.0 min"
            ]
        );
    }

    #[test]
    fn written_durations_end_in_no_zero() {
        let texts = [0, 1_500, 2_000, 50_000, 100_000, 300_000, 90 * 60_000];
        let texts = texts.map(|millis| round(Duration::from_millis(millis)));
        let expected = ["0", "1.5 s", "2 s", "50 s", "100 s", "5 min", "90 min"];
        assert_eq!(texts, expected);
    }

    #[test]
    fn rates_have_one_decimal_below_ten() {
        let over = Duration::from_secs(10);
        let rates = [0, 5, 12, 30, 99, 100, 1234].map(|number| per_second(number, over));
        assert_eq!(rates, ["0", "0.5", "1.2", "3", "9.9", "10", "123"]);
    }
}
