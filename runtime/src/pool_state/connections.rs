//! The connections that a pool has opened and closed.
//!
//! sqlx shows neither. Each connection that it opens passes through the `after_connect` of the pool's options, which are
//! ours. A connection that is opened and no longer in the pool has been closed.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// What is known of a pool's connections.
#[derive(Debug)]
pub(crate) struct Connections {
    is_counted: bool,
    opened: AtomicU64,
    /// The largest number of closed ones that was seen.
    closed: AtomicU64,
}

/// The connections of a pool at one moment. Both numbers only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) opened: u64,
    pub(crate) closed: u64,
}

impl Connections {
    fn new(is_counted: bool) -> Self {
        Self {
            is_counted,
            opened: AtomicU64::new(0),
            closed: AtomicU64::new(0),
        }
    }

    /// Of a pool whose hooks are ours.
    pub(crate) fn counted() -> Self {
        Self::new(true)
    }

    pub(crate) fn are_counted(&self) -> bool {
        self.is_counted
    }

    /// A connection was opened.
    pub(crate) fn opened(&self) {
        self.opened.fetch_add(1, SeqCst);
    }

    /// Looks at a pool that has `size` connections, including those that are being opened. `None` if they are not counted.
    ///
    /// Exact while no connection is being opened. Meanwhile, the last closed ones may be missing.
    pub(crate) fn look(&self, size: impl FnOnce() -> u32) -> Option<Counts> {
        if !self.is_counted {
            return None;
        }
        // In this order: each of the `opened` connections is in `size` by then, or closed.
        let opened = self.opened.load(SeqCst);
        let gone = opened.saturating_sub(u64::from(size()));
        let closed = self.closed.fetch_max(gone, SeqCst).max(gone);
        Some(Counts { opened, closed })
    }
}

impl Default for Connections {
    /// Of a pool that plain sqlx has made: it shows no hook that it may have, and takes none of ours.
    fn default() -> Self {
        Self::new(false)
    }
}

impl Counts {
    /// The number of open connections.
    pub(crate) fn open(self) -> u64 {
        self.opened.saturating_sub(self.closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(opened: u64, closed: u64) -> Option<Counts> {
        Some(Counts { opened, closed })
    }

    #[test]
    fn what_was_opened_and_is_gone_was_closed() {
        let connections = Connections::counted();
        connections.opened();
        connections.opened();
        assert_eq!(connections.look(|| 2), counts(2, 0));
        assert_eq!(connections.look(|| 1), counts(2, 1));
    }

    #[test]
    fn a_connection_that_is_being_opened_is_no_closed_one_the_less() {
        let connections = Connections::counted();
        assert_eq!(connections.look(|| 1), counts(0, 0), "the first is dialled");
        connections.opened();
        assert_eq!(connections.look(|| 0), counts(1, 1));
        assert_eq!(connections.look(|| 1), counts(1, 1), "the next is dialled");
        connections.opened();
        assert_eq!(connections.look(|| 1), counts(2, 1));
    }

    #[test]
    fn one_that_is_opened_meanwhile_is_not_taken_for_closed() {
        let connections = Connections::counted();
        let size = || {
            connections.opened();
            1
        };
        assert_eq!(connections.look(size), counts(0, 0));
    }

    #[test]
    fn connections_of_plain_pools_are_not_counted() {
        assert_eq!(Connections::default().look(|| 1), None);
    }
}
