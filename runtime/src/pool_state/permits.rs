//! The numbers of permits of a pool that are waited for, held and returning.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::SeqCst};

/// The permits for which handles account.
#[derive(Debug, Default)]
pub(crate) struct Permits {
    waiting: AtomicU64,
    /// The number of held permits in the lower half, that of returning ones in the upper half. In one atomic, so that a
    /// reader never misses a permit that passes from the one to the other.
    taken: AtomicU64,
    /// The largest number of held permits so far.
    most_held: AtomicU64,
    /// The number of held permits whose handles are meant to live long.
    pub(crate) reserved: AtomicU64,
}

const ONE_HELD: u64 = 1;
const ONE_RETURNING: u64 = 1 << 32;

impl Permits {
    /// An acquire begins to wait.
    pub(crate) fn wait(&self) {
        // `SeqCst` here and in `take`: paired with the pace of the watchdog, see watchdog/pace.rs.
        self.waiting.fetch_add(1, SeqCst);
    }

    /// An acquire no longer waits.
    pub(crate) fn end_wait(&self) {
        self.waiting.fetch_sub(1, Relaxed);
    }

    /// A permit was granted.
    #[inline]
    pub(crate) fn take(&self) {
        let held = self.taken.fetch_add(ONE_HELD, SeqCst) % ONE_RETURNING + ONE_HELD;
        // The addition has returned each number that there was. Nearly always it is none of the largest, and costs a load.
        if held > self.most_held.load(Relaxed) {
            self.most_held.fetch_max(held, Relaxed);
        }
    }

    /// A held permit ends without a return: its connection is closed or detached.
    pub(crate) fn drop_held(&self) {
        self.taken.fetch_sub(ONE_HELD, Relaxed);
    }

    /// A held permit begins to return.
    pub(crate) fn give_back(&self) {
        self.taken.fetch_add(ONE_RETURNING - ONE_HELD, Relaxed);
    }

    /// A returning permit is free again.
    pub(crate) fn returned(&self) {
        self.taken.fetch_sub(ONE_RETURNING, Relaxed);
    }

    pub(crate) fn waiting(&self) -> u64 {
        self.waiting.load(SeqCst)
    }

    pub(crate) fn held(&self) -> u64 {
        self.taken.load(SeqCst) % ONE_RETURNING
    }

    /// The largest number of permits that were held at once.
    pub(crate) fn most_held(&self) -> u64 {
        self.most_held.load(Relaxed)
    }

    pub(crate) fn returning(&self) -> u64 {
        self.taken.load(SeqCst) / ONE_RETURNING
    }

    /// The number of permits that are held or returning.
    pub(crate) fn taken(&self) -> u64 {
        let taken = self.taken.load(SeqCst);
        taken % ONE_RETURNING + taken / ONE_RETURNING
    }
}
