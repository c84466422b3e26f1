//! The pool to which the statements of a call site go.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The pool to which all statements of a row of counters went, as far as they went to one.
#[derive(Debug)]
pub(super) struct Pools(AtomicU64);

/// No statement went to a pool so far. No pool has this number.
const NONE: u64 = 0;
/// They went to several. No pool has this number.
const SEVERAL: u64 = u64::MAX;

impl Pools {
    pub(super) const fn new() -> Self {
        Self(AtomicU64::new(NONE))
    }

    /// Notes that a statement went to the pool with this number.
    #[inline]
    pub(super) fn note(&self, id: u64) {
        // Relaxed: the number publishes no other memory. Nearly always it is the one that is there.
        if self.0.load(Relaxed) != id {
            self.change(id);
        }
    }

    #[cold]
    fn change(&self, id: u64) {
        if let Err(other) = self.0.compare_exchange(NONE, id, Relaxed, Relaxed)
            && other != id
        {
            self.0.store(SEVERAL, Relaxed);
        }
    }

    /// The number of the only pool.
    pub(super) fn only(&self) -> Option<u64> {
        let id = self.0.load(Relaxed);
        (id != NONE && id != SEVERAL).then_some(id)
    }

    pub(super) fn are_several(&self) -> bool {
        self.0.load(Relaxed) == SEVERAL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_pool_makes_them_several_for_good() {
        let pools = Pools::new();
        assert_eq!((pools.only(), pools.are_several()), (None, false));
        pools.note(7);
        pools.note(7);
        assert_eq!((pools.only(), pools.are_several()), (Some(7), false));
        pools.note(8);
        pools.note(7);
        assert_eq!((pools.only(), pools.are_several()), (None, true));
    }
}
