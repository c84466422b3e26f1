//! Counters of the places that take handles: how long they queue, apart from what their statements take.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use dashmap::DashMap;
use once_cell::sync::Lazy;
use rustc_hash::FxBuildHasher;

use crate::histogram::Histogram;
use crate::site::{Place, Site};
use crate::snapshot::AcquireStats;

/// A place of the source and the function it is told with, by the addresses of the names.
type Key = (usize, u32, u32, usize);

/// As many as the program has places that take a handle.
static ALL: Lazy<DashMap<Key, Arc<Acquires>, FxBuildHasher>> = Lazy::new(DashMap::default);

/// The counters of one place.
#[derive(Debug)]
pub(crate) struct Acquires {
    place: Place,
    acquired: AtomicU64,
    timeouts: AtomicU64,
    errors: AtomicU64,
    abandoned: AtomicU64,
    wait: Histogram,
}

/// Those of `place`, which is that of `site`, where there is one.
pub(crate) fn of(place: Place, site: Option<&'static Site>) -> Arc<Acquires> {
    match site {
        Some(site) => Arc::clone(site.acquires.get_or_init(|| find(place))),
        None => find(place),
    }
}

fn find(place: Place) -> Arc<Acquires> {
    let function = place
        .function
        .map_or(0, |function| std::ptr::from_ref(function).addr());
    let file = place.file.as_ptr().addr();
    let key = (file, place.line, place.column, function);
    if let Some(known) = ALL.get(&key) {
        return Arc::clone(&known);
    }
    let made = Arc::new(Acquires {
        place,
        acquired: AtomicU64::new(0),
        timeouts: AtomicU64::new(0),
        errors: AtomicU64::new(0),
        abandoned: AtomicU64::new(0),
        wait: Histogram::new(),
    });
    Arc::clone(&ALL.entry(key).or_insert(made))
}

impl Acquires {
    pub(crate) fn granted(&self, waited: Duration) {
        self.acquired.fetch_add(1, Relaxed);
        self.wait.record(waited);
    }

    pub(crate) fn failed(&self, error: &sqlx::Error) {
        match error {
            sqlx::Error::PoolTimedOut => &self.timeouts,
            _ => &self.errors,
        }
        .fetch_add(1, Relaxed);
    }

    pub(crate) fn abandoned(&self) {
        self.abandoned.fetch_add(1, Relaxed);
    }

    fn read(&self) -> AcquireStats {
        AcquireStats {
            site: self.place.to_call_site(),
            acquired: self.acquired.load(Relaxed),
            timeouts: self.timeouts.load(Relaxed),
            errors: self.errors.load(Relaxed),
            abandoned: self.abandoned.load(Relaxed),
            wait: self.wait.read(),
        }
    }
}

/// All places that ever asked for a handle.
pub(crate) fn read_all() -> Vec<AcquireStats> {
    let all: Vec<_> = ALL.iter().map(|entry| Arc::clone(entry.value())).collect();
    let mut rows: Vec<_> = all.iter().map(|acquires| acquires.read()).collect();
    rows.sort_unstable_by(|a, b| a.site.cmp(&b.site));
    rows
}
