//! How many permits of a pool are waited for, are held, are on their way back.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::SeqCst};

/// The permits at this moment, as far as handles account for them.
#[derive(Debug, Default)]
pub(crate) struct Permits {
    waiting: AtomicU64,
    /// Those held in the lower half; in the upper half those given back by their holders, and not there again yet. In one,
    /// so that a permit is never seen in nobody's hands.
    taken: AtomicU64,
    /// Those of the held ones that are meant to live long.
    pub(crate) reserved: AtomicU64,
}

const ONE_HELD: u64 = 1;
const ONE_RETURNING: u64 = 1 << 32;

impl Permits {
    /// Somebody waits for one.
    pub(crate) fn wait(&self) {
        // `SeqCst` here and in `take`: see the watchdog's `somebody_asks`.
        self.waiting.fetch_add(1, SeqCst);
    }

    pub(crate) fn end_wait(&self) {
        self.waiting.fetch_sub(1, Relaxed);
    }

    pub(crate) fn take(&self) {
        self.taken.fetch_add(ONE_HELD, SeqCst);
    }

    /// One that is held ends.
    pub(crate) fn drop_held(&self) {
        self.taken.fetch_sub(ONE_HELD, Relaxed);
    }

    /// One that is held is on its way back.
    pub(crate) fn give_back(&self) {
        self.taken.fetch_add(ONE_RETURNING - ONE_HELD, Relaxed);
    }

    /// One is there again.
    pub(crate) fn returned(&self) {
        self.taken.fetch_sub(ONE_RETURNING, Relaxed);
    }

    pub(crate) fn waiting(&self) -> u64 {
        self.waiting.load(SeqCst)
    }

    pub(crate) fn held(&self) -> u64 {
        self.taken.load(SeqCst) % ONE_RETURNING
    }

    pub(crate) fn returning(&self) -> u64 {
        self.taken.load(SeqCst) / ONE_RETURNING
    }

    /// Held, or on their way back.
    pub(crate) fn taken(&self) -> u64 {
        let taken = self.taken.load(SeqCst);
        taken % ONE_RETURNING + taken / ONE_RETURNING
    }
}
