//! Prometheus' text format, version 0.0.4.

use std::fmt::{Display, Write};

use crate::measure::bounds::{ByRows, ByTime, MILLIS, ROWS};

/// What is written of all series of one name.
#[derive(Clone, Copy)]
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) help: &'static str,
}

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// The name and the value of a label.
pub(super) type Label<'a> = (&'static str, &'a str);

/// The text, family by family.
#[derive(Default)]
pub(super) struct Exposition {
    text: String,
}

/// The series of one family. Without a series, nothing is written of it.
pub(super) struct Series<'a> {
    text: &'a mut String,
    family: Family,
    is_begun: bool,
}

impl Exposition {
    pub(super) fn family(&mut self, family: Family) -> Series<'_> {
        Series {
            text: &mut self.text,
            family,
            is_begun: false,
        }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}

impl Series<'_> {
    /// Writes the value of a counter or a gauge.
    pub(super) fn value(&mut self, labels: &[Label<'_>], value: impl Display) {
        self.sample("", labels, None, value);
    }

    /// Writes a histogram of durations.
    pub(super) fn times(&mut self, labels: &[Label<'_>], counts: &ByTime, seconds: f64) {
        #[expect(clippy::cast_precision_loss, reason = "bounds are small")]
        let bounds = MILLIS
            .iter()
            .map(|millis| (*millis as f64 / 1e3).to_string());
        self.histogram(labels, bounds, counts, seconds);
    }

    /// Writes a histogram of numbers of rows.
    pub(super) fn rows(&mut self, labels: &[Label<'_>], counts: &ByRows, sum: u64) {
        self.histogram(labels, ROWS.iter().map(u64::to_string), counts, sum);
    }

    fn histogram(
        &mut self,
        labels: &[Label<'_>],
        bounds: impl Iterator<Item = String>,
        counts: &[u64],
        sum: impl Display,
    ) {
        let mut total = 0;
        for (bound, count) in bounds.chain(["+Inf".to_owned()]).zip(counts) {
            total += count;
            self.sample("_bucket", labels, Some(("le", &bound)), total);
        }
        self.sample("_sum", labels, None, sum);
        // From the buckets, so that they never differ.
        self.sample("_count", labels, None, total);
    }

    fn sample(
        &mut self,
        suffix: &str,
        labels: &[Label<'_>],
        last: Option<Label<'_>>,
        value: impl Display,
    ) {
        let Family { name, kind, help } = self.family;
        if !std::mem::replace(&mut self.is_begun, true) {
            write(self.text, format_args!("# HELP {name} {help}\n"));
            write(self.text, format_args!("# TYPE {name} {}\n", kind.name()));
        }
        self.text.push_str(name);
        self.text.push_str(suffix);
        let mut before = '{';
        // A label without a value is the same to Prometheus as none.
        let labels = labels
            .iter()
            .chain(&last)
            .filter(|(_, value)| !value.is_empty());
        for (label, value) in labels {
            self.text.push(before);
            self.text.push_str(label);
            push_quoted(self.text, value);
            before = ',';
        }
        if before == ',' {
            self.text.push('}');
        }
        write(self.text, format_args!(" {value}\n"));
    }
}

fn push_quoted(text: &mut String, value: &str) {
    text.push_str("=\"");
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
    text.push('"');
}

fn write(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).expect("BUG: a String takes any text");
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}
