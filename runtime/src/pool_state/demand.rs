//! What a pool's users were seen to need of it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use super::counters::Hold;
use crate::snapshot::DemandStats;
use crate::sync;

/// What was seen since the pool was made.
#[derive(Debug)]
pub(crate) struct Demand {
    /// When the pool was made.
    pub(super) since: Instant,
    /// The largest number of tasks that took permits at once.
    tasks: AtomicU64,
    /// The largest number of permits that one task held at once.
    nesting: AtomicU64,
    /// The tasks are counted again once this number of permits is held.
    next_count: AtomicU64,
    /// What had been counted when the pool began to be short of permits, while it is.
    before_shortage: Mutex<Option<DemandStats>>,
}

/// Up to this number of permits the tasks are counted at each new peak, then at each that is this part larger. A walk over
/// all claims for each of thousands of permits would take seconds.
const EXACT_UP_TO: u64 = 64;

impl Demand {
    pub(super) fn new() -> Self {
        Self {
            since: Instant::now(),
            tasks: AtomicU64::new(0),
            nesting: AtomicU64::new(0),
            next_count: AtomicU64::new(1),
            before_shortage: Mutex::new(None),
        }
    }

    /// Records the number of tasks that take permits now. Returns the largest number seen.
    pub(crate) fn note_tasks(&self, tasks: u64) -> u64 {
        self.tasks.fetch_max(tasks, Relaxed).max(tasks)
    }

    /// Records the number of permits that one task holds now. Returns the largest number seen.
    pub(crate) fn note_nesting(&self, permits: u64) -> u64 {
        self.nesting.fetch_max(permits, Relaxed).max(permits)
    }

    /// The largest number of tasks seen.
    pub(super) fn tasks(&self) -> u64 {
        self.tasks.load(Relaxed)
    }

    /// The largest number of permits of one task seen.
    pub(super) fn nesting(&self) -> u64 {
        self.nesting.load(Relaxed)
    }

    /// Whether the tasks are to be counted, because a peak of `most_held` permits is larger than those before.
    #[inline]
    pub(crate) fn is_at_peak(&self, most_held: u64) -> bool {
        // Relaxed: a caller that comes too late counts once more, or the next one does.
        most_held >= self.next_count.load(Relaxed)
    }

    /// Records whether a sample found the pool short of permits. `so_far` is asked for at the first of such samples in a row.
    pub(crate) fn note_shortage(&self, is_short: bool, so_far: impl FnOnce() -> DemandStats) {
        if !is_short {
            *sync::lock(&self.before_shortage) = None;
        } else if self.before_shortage().is_none() {
            let so_far = so_far();
            *sync::lock(&self.before_shortage) = Some(so_far);
        }
    }

    /// What had been counted when the pool began to be short of permits; `None` if no sample has found it so.
    pub(crate) fn before_shortage(&self) -> Option<DemandStats> {
        *sync::lock(&self.before_shortage)
    }

    /// Records that the tasks are counted at a peak of `most_held` permits.
    pub(crate) fn note_peak(&self, most_held: u64) {
        let next = most_held + (most_held / EXACT_UP_TO).max(1);
        self.next_count.fetch_max(next, Relaxed);
    }
}

impl DemandStats {
    /// Adds the hold of a handle that lives.
    pub(crate) fn add(&mut self, hold: Hold, is_reserved: bool) {
        if is_reserved {
            self.reserved += hold.total();
        } else {
            self.busy += hold.busy;
            self.idle += hold.idle;
            self.lent += hold.lent;
        }
    }
}
