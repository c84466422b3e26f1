//! Epochs: how long what was loaded is valid.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::AcqRel, Ordering::Acquire};

use super::step::step;

/// The time from the begin of a load to the next write of its key, or of all keys. What was loaded is valid in it.
#[derive(Debug)]
pub(super) struct Epoch {
    /// Set by the next write of the key.
    is_over: AtomicBool,
    /// The number of writes of all keys before it.
    writes_of_all: u64,
}

/// The writes of all keys.
#[derive(Debug, Default)]
pub(super) struct Epochs {
    writes_of_all: AtomicU64,
}

impl Epochs {
    /// Begins an epoch of a key that is not being written.
    pub(super) fn begin(&self) -> Arc<Epoch> {
        Arc::new(Epoch {
            is_over: AtomicBool::new(false),
            writes_of_all: self.writes_of_all.load(Acquire),
        })
    }

    /// Ends the epochs of all keys.
    pub(super) fn end_all(&self) {
        step();
        self.writes_of_all.fetch_add(1, AcqRel);
    }

    /// Whether neither the key nor all keys were written since the epoch began.
    pub(super) fn is_current(&self, epoch: &Epoch) -> bool {
        #[cfg(test)]
        if super::step::ignores_epochs() {
            return true;
        }
        // Acquire here, and Release where an epoch ends: whoever knows of the end of a write sees that the epoch is over.
        !epoch.is_over.load(Acquire) && epoch.writes_of_all == self.writes_of_all.load(Acquire)
    }
}

impl Epoch {
    /// Ends it.
    pub(super) fn end(&self) {
        self.is_over.swap(true, AcqRel);
    }
}
