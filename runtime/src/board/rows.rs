//! The rows of the page, read from the tracker: a bounded number of each kind.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde::Serialize;

mod claims;
pub(super) mod findings;
pub(super) mod parts;
pub(super) mod pools;
mod requests;
mod sites;
mod words;

use super::request::Sort;
use crate::handle::{Handle, live};
use crate::lint::Waiting;
use crate::measure::units::millis;
use crate::report::collect;
use crate::snapshot::{LintStats, Snapshot, TrackerStats};
use crate::sync;
use claims::{Holder, Waiter};
use findings::Told;
use parts::Rows;
use pools::Pool;
use requests::Request;
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
    /// The calls of all sites.
    sites_calls: u64,
    /// The time of the statements of all sites.
    sites_time_ms: f64,
    /// The places that acquire, longest wait in all first.
    acquires: Rows<Acquires>,
    /// The routes, longest time with the database first.
    requests: Rows<Request>,
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

/// What a reading begins with.
pub(super) struct Reading {
    begun: Instant,
    claims: Vec<Arc<Handle>>,
    pub(super) snapshot: Snapshot,
}

impl Reading {
    /// Hands a reading of everything that lives to `read`.
    ///
    /// One at a time: each copies all rows of counters, and there may be many requests at once.
    pub(super) fn with<T>(read: impl FnOnce(Reading) -> T) -> T {
        static ONE: Mutex<()> = Mutex::new(());
        let _one = sync::lock(&ONE);
        read(Self {
            begun: Instant::now(),
            claims: live::all(),
            snapshot: collect::snapshot(),
        })
    }

    pub(super) fn pools(&self) -> Rows<Pool> {
        let pools = &self.snapshot.pools;
        let waited_for = pools.iter().filter(|pool| pool.waiting > 0);
        let asked: Vec<u64> = waited_for.take(DIAGNOSED).map(|pool| pool.id).collect();
        Rows::first(pools, |pool| {
            Pool::read(pool, asked.contains(&pool.id), &self.claims, self.begun)
        })
    }

    pub(super) fn findings(&self, summaries_only: bool) -> Rows<Told> {
        findings::read(summaries_only, self.begun)
    }
}

impl Seen {
    pub(super) fn read(sort: Sort, summaries_only: bool) -> Self {
        Reading::with(|reading| Self::of(reading, sort, summaries_only))
    }

    fn of(reading: Reading, sort: Sort, summaries_only: bool) -> Self {
        let pools = reading.pools();
        let findings = reading.findings(summaries_only);
        let Reading {
            begun,
            claims,
            snapshot,
        } = reading;
        let waiting = Waiting::among(&claims);
        let held: Vec<_> = claims.iter().filter(|claim| claim.is_held()).collect();
        let waiters: Vec<_> = claims.iter().filter(|claim| claim.is_waiting()).collect();
        let holders = Rows::first(&held, |held| Holder::read(held, &waiting, begun));
        let time = snapshot.sites.iter().map(|site| millis(site.time.total));
        Self {
            waiters: Rows::first(&waiters, |waiter| Waiter::read(waiter, begun)),
            lints: snapshot.lints.iter().map(LintRow::of).collect(),
            sites_calls: snapshot.sites.iter().map(|site| site.calls).sum(),
            sites_time_ms: time.sum(),
            acquires: sites::acquires(&snapshot.acquires),
            requests: requests::requests(&snapshot.requests),
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
    use std::thread;

    use super::*;

    #[test]
    fn there_is_one_reading_at_a_time() {
        let readings = AtomicU32::new(0);
        let reads = || {
            Reading::with(|_| {
                assert_eq!(readings.fetch_add(1, SeqCst), 0);
                thread::yield_now();
                readings.fetch_sub(1, SeqCst);
            });
        };
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..20).for_each(|_| reads()));
            }
        });
    }
}
