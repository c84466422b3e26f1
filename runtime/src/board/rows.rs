//! The rows of the page, read from the tracker: a bounded number of each kind.

use std::time::Instant;

use serde::Serialize;

mod claims;
pub(super) mod findings;
pub(super) mod parts;
pub(super) mod pools;
mod sites;
mod words;

use super::request::Sort;
use crate::handle::live;
use crate::lint::Waiting;
use crate::measure::units::millis;
use crate::report::collect;
use crate::snapshot::{LintStats, TrackerStats};
use claims::{Holder, Waiter};
use findings::Told;
use parts::Rows;
use pools::Pool;
use sites::{Acquires, Site};

/// Of the pools that are waited for, it is asked of this many why: each answer looks at everything that is alive.
const DIAGNOSED: usize = 20;

/// What the tracker knows.
#[derive(Debug, Serialize)]
pub(super) struct Seen {
    pub(super) pools: Rows<Pool>,
    /// The handles, oldest first.
    holders: Rows<Holder>,
    /// The acquires that wait, oldest first.
    waiters: Rows<Waiter>,
    /// The last findings, latest first.
    pub(super) findings: Rows<Told>,
    lints: Vec<LintRow>,
    sites: Rows<Site>,
    /// The time of the statements of all sites.
    sites_time_ms: f64,
    /// The places that acquire, longest wait in all first.
    acquires: Rows<Acquires>,
    tracker: Tracker,
}

/// The findings of one lint.
#[derive(Debug, Serialize)]
struct LintRow {
    lint: &'static str,
    level: &'static str,
    found: u64,
    suppressed: u64,
}

/// The size of the tracker.
#[derive(Debug, Serialize)]
struct Tracker {
    rows: u64,
    live: u64,
    scopes: u64,
    pools: u64,
    bytes: u64,
    /// How long it took to read all this.
    read_ms: f64,
}

impl Seen {
    pub(super) fn read(sort: Sort, summaries_only: bool) -> Self {
        let begun = Instant::now();
        let claims = live::all();
        let snapshot = collect::snapshot();
        let waiting = Waiting::among(&claims);
        let held: Vec<_> = claims.iter().filter(|claim| claim.is_held()).collect();
        let waiters: Vec<_> = claims.iter().filter(|claim| claim.is_waiting()).collect();
        let holders = Rows::first(&held, |held| Holder::read(held, &waiting, begun));
        let waited_for = snapshot.pools.iter().filter(|pool| pool.waiting > 0);
        let asked: Vec<u64> = waited_for.take(DIAGNOSED).map(|pool| pool.id).collect();
        let pools = Rows::first(&snapshot.pools, |pool| {
            Pool::read(pool, asked.contains(&pool.id), &claims, begun)
        });
        let findings = findings::read(summaries_only, begun);
        let time = snapshot.sites.iter().map(|site| millis(site.time.total));
        Self {
            waiters: Rows::first(&waiters, |waiter| Waiter::read(waiter, begun)),
            lints: snapshot.lints.iter().map(LintRow::of).collect(),
            sites_time_ms: time.sum(),
            acquires: sites::acquires(&snapshot.acquires),
            sites: sites::sites(snapshot.sites, sort, summaries_only),
            pools,
            holders,
            findings,
            tracker: Tracker::of(snapshot.tracker, begun),
        }
    }
}

impl LintRow {
    fn of(lint: &LintStats) -> Self {
        Self {
            lint: lint.lint.name(),
            level: lint.level.name(),
            found: lint.found,
            suppressed: lint.suppressed,
        }
    }
}

impl Tracker {
    fn of(tracker: TrackerStats, begun: Instant) -> Self {
        Self {
            rows: tracker.rows,
            live: tracker.live,
            scopes: tracker.scopes,
            pools: tracker.pools,
            bytes: tracker.bytes,
            read_ms: millis(begun.elapsed()),
        }
    }
}
