//! What rows consist of.

use serde::Serialize;

use crate::measure::units::millis;
use crate::snapshot::Timing;

/// The number of rows of each kind that are shown.
pub(in super::super) const SHOWN: usize = 200;

/// Some rows of all that there are.
#[derive(Debug, Serialize)]
pub(in super::super) struct Rows<T> {
    pub(in super::super) total: usize,
    pub(in super::super) rows: Vec<T>,
}

impl<T> Rows<T> {
    /// The first of them.
    pub(super) fn first<U>(all: &[U], row: impl Fn(&U) -> T) -> Self {
        Self {
            total: all.len(),
            rows: all.iter().take(SHOWN).map(row).collect(),
        }
    }
}

/// Durations in short.
#[derive(Debug, Serialize)]
#[expect(
    clippy::struct_field_names,
    reason = "a number of the state has its unit in its name"
)]
pub(super) struct Times {
    total_ms: f64,
    p50_ms: f64,
    p95_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

impl Times {
    pub(super) fn of(time: &Timing) -> Self {
        Self {
            total_ms: millis(time.total),
            p50_ms: millis(time.p50()),
            p95_ms: millis(time.p95()),
            p99_ms: millis(time.p99()),
            max_ms: millis(time.max),
        }
    }
}
