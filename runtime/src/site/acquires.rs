//! The counters of the places that take handles. The wait for a permit counts here, not with the statements.

use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use dashmap::DashMap;
use once_cell::sync::Lazy;
use rustc_hash::FxBuildHasher;

use crate::measure::waits::Waits;
use crate::snapshot::AcquireStats;
use crate::source::function::Function;
use crate::source::place::Place;

/// A place in the source and its function: the file's address, line, column, and the function's address.
type Key = (usize, u32, u32, usize);

/// Grows to the number of places in the program that take a handle.
static ALL: Lazy<DashMap<Key, &Acquires, FxBuildHasher>> = Lazy::new(DashMap::default);

/// Those of calls without a call site, by the addresses of the location and the function.
static OF_CALLS: Lazy<DashMap<(usize, usize), &Acquires, FxBuildHasher>> =
    Lazy::new(DashMap::default);

/// The counters of one place.
#[derive(Debug)]
pub(crate) struct Acquires {
    place: Place,
    timeouts: AtomicU64,
    errors: AtomicU64,
    abandoned: AtomicU64,
    opened: AtomicU64,
    pub(crate) waits: Waits,
}

/// The counters of a place.
pub(crate) fn at(place: Place) -> &'static Acquires {
    let function = place
        .function
        .map_or(0, |function| std::ptr::from_ref(function).addr());
    let file = place.file.as_ptr().addr();
    let key = (file, place.line, place.column, function);
    if let Some(known) = ALL.get(&key) {
        return *known;
    }
    *ALL.entry(key)
        .or_insert_with(|| Box::leak(Box::new(Acquires::new(place))))
}

/// The counters of the call at `location` in `function`. `place` finds its place, which is asked for once.
pub(crate) fn of_call(
    location: &'static Location<'static>,
    function: Option<&'static Function>,
    place: impl FnOnce() -> Place,
) -> &'static Acquires {
    let function = function.map_or(0, |function| std::ptr::from_ref(function).addr());
    let key = (std::ptr::from_ref(location).addr(), function);
    if let Some(known) = OF_CALLS.get(&key) {
        return *known;
    }
    let acquires = at(place());
    OF_CALLS.insert(key, acquires);
    acquires
}

impl Acquires {
    pub(crate) fn place(&self) -> Place {
        self.place
    }

    fn new(place: Place) -> Self {
        Self {
            place,
            timeouts: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            abandoned: AtomicU64::new(0),
            opened: AtomicU64::new(0),
            waits: Waits::new(),
        }
    }

    /// Counts an acquire that failed with `error`.
    pub(crate) fn failed(&self, error: &sqlx::Error) {
        match error {
            sqlx::Error::PoolTimedOut => &self.timeouts,
            _ => &self.errors,
        }
        .fetch_add(1, Relaxed);
    }

    /// Counts an acquire that was dropped while it waited.
    pub(crate) fn abandoned(&self) {
        self.abandoned.fetch_add(1, Relaxed);
    }

    /// Counts connections that were opened for an acquire.
    pub(crate) fn opens(&self, connections: u64) {
        self.opened.fetch_add(connections, Relaxed);
    }

    fn read(&self) -> AcquireStats {
        let wait = self.waits.read();
        AcquireStats {
            site: self.place.to_call_site(),
            acquired: wait.count,
            timeouts: self.timeouts.load(Relaxed),
            errors: self.errors.load(Relaxed),
            abandoned: self.abandoned.load(Relaxed),
            opened: self.opened.load(Relaxed),
            wait,
        }
    }
}

/// All places that ever requested a permit, in the order of the source. A place whose first request still waits is not
/// among them.
pub(crate) fn read_all() -> Vec<AcquireStats> {
    let all: Vec<_> = ALL.iter().map(|entry| *entry.value()).collect();
    let mut rows: Vec<_> = all.iter().map(|acquires| acquires.read()).collect();
    rows.retain(|row| row.acquired + row.timeouts + row.errors + row.abandoned + row.opened > 0);
    rows.sort_unstable_by(|a, b| a.site.cmp(&b.site));
    rows
}
