//! What an observer of this process was told, counted by pool and by function.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

use sqlx::leash::observed::{Closed, Hold, Opened, Statement, StatementOutcome, Wait, WaitOutcome};
use sqlx::leash::{self, Backend, Finding, Observer, SiteStats};

use crate::TestPool;

/// What was told of a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OfPool {
    /// Its label.
    pub label: String,
    /// Waits, by their outcomes.
    pub waits: BTreeMap<&'static str, u64>,
    /// The time of the waits that were granted.
    pub waited: Duration,
    /// Those of them for which a connection was opened.
    pub connected: u64,
    /// Holds of handles that were not meant to live long.
    pub holds: u64,
    /// Their times: busy, idle and lent.
    pub held: [Duration; 3],
    /// The time of the other holds.
    pub reserved: Duration,
    /// The number of connections that were opened.
    pub opened: u64,
    /// Those of which it is known how long that took.
    pub timed: u64,
    /// Connections that were closed, by their causes.
    pub closed: BTreeMap<&'static str, u64>,
}

/// What was told of the statements of a call site with one text, which is what a row of the snapshot has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OfSite {
    /// The number of statements that ended well.
    pub ok: u64,
    /// With an error.
    pub errors: u64,
    /// Given up.
    pub cancelled: u64,
    /// Rows read.
    pub rows_returned: u64,
    /// Rows affected.
    pub rows_affected: u64,
    /// The sum of the times.
    pub time: Duration,
}

impl OfSite {
    fn add(&mut self, other: &Self) {
        self.ok += other.ok;
        self.errors += other.errors;
        self.cancelled += other.cancelled;
        self.rows_returned += other.rows_returned;
        self.rows_affected += other.rows_affected;
        self.time += other.time;
    }
}

/// Function, line and text.
type Key = (Option<String>, u32, String);

#[derive(Default)]
struct Told {
    pools: BTreeMap<u64, OfPool>,
    sites: BTreeMap<Key, OfSite>,
    findings: BTreeMap<Option<String>, Vec<Finding>>,
}

static TOLD: Mutex<Option<Told>> = Mutex::new(None);

struct Counts;

fn told() -> MutexGuard<'static, Option<Told>> {
    TOLD.lock().unwrap_or_else(PoisonError::into_inner)
}

fn note(note: impl FnOnce(&mut Told)) {
    note(told().get_or_insert_default());
}

fn note_of(pool: leash::observed::PoolRef<'_>, change: impl FnOnce(&mut OfPool)) {
    assert!(
        !pool.label.is_empty() && !pool.system.is_empty(),
        "{pool:?} is named"
    );
    note(|told| {
        let of_pool = told.pools.entry(pool.id).or_default();
        pool.label.clone_into(&mut of_pool.label);
        change(of_pool);
    });
}

impl Observer for Counts {
    fn statement(&self, it: &Statement<'_>) {
        let function = it.site.and_then(|site| site.function).map(str::to_owned);
        let key = (
            function,
            it.site.map_or(0, |site| site.line),
            it.text.to_owned(),
        );
        assert!(!it.operation.is_empty() && !it.summary.is_empty(), "{it:?}");
        assert_eq!(it.pool.map_or(it.system, |pool| pool.system), it.system);
        assert_eq!(
            it.error_type().is_none(),
            it.outcome == StatementOutcome::Ok
        );
        let whole = it.ended.saturating_duration_since(it.began);
        assert!(it.time <= whole && it.ended <= Instant::now(), "{it:?}");
        note(|told| {
            let of_site = told.sites.entry(key).or_default();
            match it.outcome {
                StatementOutcome::Ok => of_site.ok += 1,
                StatementOutcome::Error => of_site.errors += 1,
                StatementOutcome::Cancelled => of_site.cancelled += 1,
                _ => panic!("{it:?} has a new outcome"),
            }
            of_site.rows_returned += it.rows_returned;
            of_site.rows_affected += it.rows_affected;
            of_site.time += it.time;
        });
    }

    fn wait(&self, it: &Wait<'_>) {
        assert_eq!(
            it.error_type().is_none(),
            it.outcome == WaitOutcome::Granted
        );
        assert!(it.began.elapsed() >= it.time, "{it:?}");
        note_of(it.pool, |of_pool| {
            *of_pool.waits.entry(it.outcome.name()).or_default() += 1;
            if it.outcome == WaitOutcome::Granted {
                of_pool.waited += it.time;
                of_pool.connected += u64::from(it.has_connected);
            }
        });
    }

    fn hold(&self, it: &Hold<'_>) {
        assert!(it.began.elapsed() >= it.time(), "{it:?}");
        note_of(it.pool, |of_pool| {
            if it.reserved.is_some() {
                of_pool.reserved += it.time();
                return;
            }
            of_pool.holds += 1;
            let parts = [it.busy, it.idle, it.lent];
            for (sum, part) in of_pool.held.iter_mut().zip(parts) {
                *sum += part;
            }
        });
    }

    fn opened(&self, it: &Opened<'_>) {
        note_of(it.pool, |of_pool| {
            of_pool.opened += 1;
            of_pool.timed += u64::from(it.time.is_some());
        });
    }

    fn closed(&self, it: &Closed<'_>) {
        note_of(it.pool, |of_pool| {
            *of_pool.closed.entry(it.cause.name()).or_default() += 1;
        });
    }

    fn finding(&self, finding: &Finding) {
        note(|told| {
            let of_pool = told.findings.entry(finding.pool.clone()).or_default();
            of_pool.push(finding.clone());
        });
    }
}

/// Counts what every observer of the process is told from now on.
pub fn observe() {
    static OBSERVES: Once = Once::new();
    OBSERVES.call_once(|| leash::observe(Counts));
}

/// What was told of the findings about the pool with that name.
pub fn told_findings(pool: &str) -> Vec<Finding> {
    let told = told();
    let findings = told
        .as_ref()
        .and_then(|told| told.findings.get(&Some(pool.to_owned())));
    findings.cloned().unwrap_or_default()
}

fn only(counts: [(&'static str, u64); 7]) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::from(counts);
    counts.retain(|_, number| *number > 0);
    counts
}

impl<DB: Backend> TestPool<DB> {
    /// What was told of this pool under its name. Unlike [`told`](Self::told), it takes no snapshot.
    pub fn told_by_name(&self) -> OfPool {
        let told = told();
        let mut pools = told.iter().flat_map(|told| told.pools.values());
        let of_pool = pools.find(|of_pool| of_pool.label == self.name());
        of_pool.cloned().unwrap_or_default()
    }

    /// What was told of this pool.
    pub fn told(&self) -> OfPool {
        let id = self.stats().id;
        let told = told();
        let of_pool = told.as_ref().and_then(|told| told.pools.get(&id));
        of_pool.cloned().unwrap_or_default()
    }

    /// What the snapshot counts of this pool, in the same form.
    pub fn counted(&self) -> OfPool {
        let stats = self.stats();
        let connections = stats.connections.expect("they are counted");
        let (holds, by) = (stats.holds, connections.closed_by);
        OfPool {
            label: stats.label,
            waits: only([
                ("granted", stats.acquired),
                ("timeout", stats.timeouts),
                ("error", stats.acquire_errors),
                ("abandoned", stats.abandoned),
                ("", 0),
                ("", 0),
                ("", 0),
            ]),
            waited: stats.wait.total,
            connected: connections.wait_with_connect.count,
            holds: holds.ended,
            held: [holds.busy, holds.idle, holds.lent],
            reserved: holds.reserved,
            opened: connections.opened,
            timed: connections.connect.count,
            closed: only([
                ("program", by.program),
                ("hook", by.hook),
                ("cancelled", by.cancelled),
                ("acquire_over", by.acquire_over),
                ("max_lifetime", by.max_lifetime),
                ("idle_timeout", by.idle_timeout),
                ("elsewhere", by.elsewhere),
            ]),
        }
    }

    /// Asserts that what was told of this pool becomes what the snapshot counts, and stays so.
    #[track_caller]
    pub fn assert_told(&self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.told() != self.counted() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(self.told(), self.counted(), "{self:?}");
        std::thread::sleep(Duration::from_millis(5));
        assert_eq!(self.told(), self.counted(), "{self:?}");
    }
}

/// Asserts that what was told of the statements of a function is what the snapshot counts, and returns the sums by text.
#[track_caller]
pub fn assert_told_of(function: &str) -> BTreeMap<String, OfSite> {
    let is_of = |name: Option<&str>| name.is_some_and(|name| name.ends_with(function));
    let counted: BTreeMap<Key, OfSite> = leash::snapshot()
        .sites
        .into_iter()
        .filter(|row| is_of(row.function.as_deref()))
        .map(|row: SiteStats| {
            let of_site = OfSite {
                ok: row.ok,
                errors: row.errors,
                cancelled: row.cancelled,
                rows_returned: row.rows_returned,
                rows_affected: row.rows_affected,
                time: row.time.total,
            };
            ((row.function, row.line, row.sql), of_site)
        })
        .collect();
    let told = told();
    let mut told = told
        .as_ref()
        .map_or_else(BTreeMap::new, |told| told.sites.clone());
    told.retain(|(name, ..), _| is_of(name.as_deref()));
    assert!(!counted.is_empty(), "no statement of {function}");
    assert_eq!(told, counted, "{function}");
    let mut by_text = BTreeMap::<String, OfSite>::new();
    for ((.., text), it) in told {
        by_text.entry(text).or_default().add(&it);
    }
    by_text
}
