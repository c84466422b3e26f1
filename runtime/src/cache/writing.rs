//! The guard of a write.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use super::Shared;

/// A write of a key under way. [`Cached::writing`](super::Cached::writing) returns it.
///
/// Until it is dropped, the cache neither serves nor keeps a value for the key.
#[must_use = "the write counts as ended when the guard is dropped: bind it with `let _writing = …`, before the transaction begins"]
pub struct Writing<K: Hash + Eq, V> {
    shared: Arc<Shared<K, V>>,
    key: K,
}

impl<K: Hash + Eq, V> Writing<K, V> {
    /// The write must have begun.
    pub(super) fn begun(shared: Arc<Shared<K, V>>, key: K) -> Self {
        Self { shared, key }
    }
}

impl<K: Hash + Eq, V> Drop for Writing<K, V> {
    fn drop(&mut self) {
        self.shared.keys.end_write(&self.key);
    }
}

// Without the key: it may be a value that is not to be shown.
impl<K: Hash + Eq, V> fmt::Debug for Writing<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writing").finish_non_exhaustive()
    }
}
