//! What is kept: the least recently used goes first.

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::epoch::{Epoch, Epochs};
use super::source::Source;
use super::step::step;

/// moka refuses a longer time.
const LONGEST: Duration = Duration::from_hours(1000 * 365 * 24);

/// A value that was loaded.
pub(super) struct Kept<V> {
    pub(super) value: V,
    pub(super) epoch: Arc<Epoch>,
    pub(super) source: Source,
}

/// The values that are kept. They may have become invalid.
pub(super) struct Store<K, V> {
    kept: Cache<K, Arc<Kept<V>>>,
}

impl<K, V> Store<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    pub(super) fn new(capacity: u64, time_to_live: Duration) -> Self {
        let kept = Cache::builder()
            .max_capacity(capacity)
            .time_to_live(time_to_live.min(LONGEST))
            .eviction_policy(EvictionPolicy::lru());
        Self { kept: kept.build() }
    }

    pub(super) fn get<Q>(&self, key: &Q) -> Option<Arc<Kept<V>>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        step();
        self.kept.get(key)
    }

    /// Keeps a value, if it is still valid.
    pub(super) fn keep(&self, key: K, kept: Arc<Kept<V>>, epochs: &Epochs) {
        step();
        if epochs.is_current(&kept.epoch) {
            // A write may end its epoch before it is in the store. It is not served then, and the next load replaces it.
            step();
            self.kept.insert(key, kept);
            // Now, so that there are never more than the capacity: moka alone would evict a little later.
            self.kept.run_pending_tasks();
        }
    }

    /// Removes the value of a key, also for a reader that has it in its hands and has not looked at its epoch.
    pub(super) fn remove<Q>(&self, key: &Q)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        step();
        if let Some(kept) = self.kept.remove(key) {
            kept.epoch.end();
        }
    }

    pub(super) fn remove_all(&self) {
        step();
        self.kept.invalidate_all();
    }

    /// The number of values that are kept.
    pub(super) fn len(&self) -> u64 {
        self.kept.run_pending_tasks();
        self.kept.entry_count()
    }
}
