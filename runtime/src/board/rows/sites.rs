//! Call sites, and places that acquire.

use std::cmp::Reverse;
use std::hash::{BuildHasher, RandomState};

use once_cell::sync::Lazy;
use serde::Serialize;

use super::parts::{Rows, SHOWN, Times};
use super::words::{cut, place, place_of};
use crate::board::request::Sort;
use crate::measure::units::millis;
use crate::snapshot::{AcquireStats, SiteStats};

/// The bytes of a statement's text that are shown.
const SQL: usize = 1 << 10;

/// The counters of a call site and a text.
#[derive(Debug, Serialize)]
pub(super) struct Site {
    /// The same in every reading of this process.
    id: String,
    summary: String,
    /// The text, unless only summaries are shown.
    sql: Option<String>,
    /// The number of texts that share the row.
    texts: u64,
    function: Option<String>,
    at: String,
    calls: u64,
    in_flight: u64,
    errors: u64,
    cancelled: u64,
    rows: u64,
    saved: u64,
    time: Times,
    /// The number of calls by the time they took, in milliseconds: each bucket's middle and count.
    buckets: Vec<(f64, u64)>,
}

/// The counters of a place that acquires.
#[derive(Debug, Serialize)]
pub(super) struct Acquires {
    function: Option<String>,
    at: String,
    acquired: u64,
    timeouts: u64,
    errors: u64,
    abandoned: u64,
    wait: Times,
}

/// The first of the call sites in this order.
pub(super) fn sites(mut all: Vec<SiteStats>, sort: Sort, summaries_only: bool) -> Rows<Site> {
    // They come in the order of their time, which the sort keeps among equals.
    all.sort_by_key(|site| Reverse(value(site, sort)));
    Rows::first(&all, |site| Site::of(site, summaries_only))
}

fn value(site: &SiteStats, sort: Sort) -> u128 {
    match sort {
        Sort::Time => site.time.total.as_nanos(),
        Sort::Calls => site.calls.into(),
        Sort::InFlight => site.in_flight().into(),
        Sort::Errors => site.errors.into(),
        Sort::Cancelled => site.cancelled.into(),
        Sort::Rows => site.rows_returned.max(site.rows_affected).into(),
        Sort::P50 => site.time.p50().as_nanos(),
        Sort::P95 => site.time.p95().as_nanos(),
        Sort::P99 => site.time.p99().as_nanos(),
        Sort::Max => site.time.max.as_nanos(),
        Sort::Saved => site.saved.into(),
    }
}

/// The places that acquire, longest wait in all first.
pub(super) fn acquires(all: &[AcquireStats]) -> Rows<Acquires> {
    let mut sorted: Vec<_> = all.iter().collect();
    sorted.sort_by_key(|it| Reverse(it.wait.total));
    sorted.truncate(SHOWN);
    Rows {
        total: all.len(),
        rows: sorted.into_iter().map(Acquires::of).collect(),
    }
}

impl Site {
    fn of(site: &SiteStats, summaries_only: bool) -> Self {
        // Random in each process: nobody learns the text from it.
        static KEY: Lazy<RandomState> = Lazy::new(RandomState::new);
        let identity = (
            &site.file,
            site.line,
            site.column,
            &site.function,
            &site.sql,
        );
        let buckets = site.time.buckets.iter();
        let middle = |from, to| millis((from + to) / 2);
        Self {
            id: format!("{:016x}", KEY.hash_one(identity)),
            summary: site.summary.clone(),
            sql: (!summaries_only).then(|| cut(&site.sql, SQL)),
            texts: site.texts,
            function: site.function.clone(),
            at: place_of(site),
            calls: site.calls,
            in_flight: site.in_flight(),
            errors: site.errors,
            cancelled: site.cancelled,
            rows: site.rows_returned.max(site.rows_affected),
            saved: site.saved,
            time: Times::of(&site.time),
            buckets: buckets
                .map(|it| (middle(it.from, it.to), it.count))
                .collect(),
        }
    }
}

impl Acquires {
    fn of(row: &AcquireStats) -> Self {
        Self {
            function: row.site.function.clone(),
            at: place(&row.site),
            acquired: row.acquired,
            timeouts: row.timeouts,
            errors: row.errors,
            abandoned: row.abandoned,
            wait: Times::of(&row.wait),
        }
    }
}
