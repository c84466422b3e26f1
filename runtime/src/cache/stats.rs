//! What a cache has done.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a cache has done since it was made, and how much it keeps. [`Cached::stats`](super::Cached::stats) returns it.
///
/// `hits + misses + refusals` is the number of reads, without those that were cancelled while they waited for another
/// caller's load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct CacheStats {
    /// Reads that were answered without their loader: by a value that was kept, or by another caller's load.
    pub hits: u64,
    /// Reads that called their loader because no value was kept.
    pub misses: u64,
    /// Reads that called their loader because the key was being [written](super::Cached::writing).
    pub refusals: u64,
    /// Calls of a loader that returned `Ok`. The others, of `misses + refusals`, have failed, were cancelled, or are
    /// running.
    pub loads: u64,
    /// The number of values that are kept now.
    pub entries: u64,
}

/// The counters behind [`CacheStats`].
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) hits: Counter,
    pub(super) misses: Counter,
    pub(super) refusals: Counter,
    pub(super) loads: Counter,
}

impl Counters {
    pub(super) fn read(&self, entries: u64) -> CacheStats {
        CacheStats {
            hits: self.hits.0.load(Relaxed),
            misses: self.misses.0.load(Relaxed),
            refusals: self.refusals.0.load(Relaxed),
            loads: self.loads.0.load(Relaxed),
            entries,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn count(&self) {
        // Relaxed: the counters are independent and publish no other memory.
        self.0.fetch_add(1, Relaxed);
    }
}
