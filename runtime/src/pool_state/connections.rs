//! The connections that a pool has opened and closed.
//!
//! sqlx shows neither. Each connection that it opens passes through the `after_connect` of the pool's options, which are
//! ours. A connection that is opened and no longer in the pool has been closed.

use std::cell::Cell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::time::{Duration, Instant};

use super::endpoint::Limits;
use crate::measure::histogram::Histogram;
use crate::snapshot::{ClosedBy, Timing};
use crate::sync;

mod ledger;

use ledger::{Ledger, Seen};
pub(crate) use ledger::{Opening, Shown, Untold, Use};

thread_local! {
    /// The number of connections that were opened in the poll that this thread runs.
    static OPENED: Cell<u64> = const { Cell::new(0) };
}

/// Returns what `poll` returns, and the number of connections that it has opened.
pub(crate) fn opened_in<T>(poll: impl FnOnce() -> T) -> (T, u64) {
    // A hook may poll an acquire itself.
    let outside = OPENED.replace(0);
    let polled = poll();
    (polled, OPENED.replace(outside))
}

/// What is known of a pool's connections. Locked when one is opened or closed, and when somebody looks.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    /// `None` for a pool that plain sqlx has made: it shows no hook that it may have, and takes none of ours.
    counted: Option<Counted>,
}

#[derive(Debug)]
struct Counted {
    opened: AtomicU64,
    /// How long connects took, where it is known when they began.
    connect: Histogram,
    /// Connects that were given up because the acquire's time was over.
    cut: AtomicU64,
    ledger: Mutex<Ledger>,
}

/// The connections of a pool at one moment. All numbers only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) opened: u64,
    pub(crate) by: ClosedBy,
}

impl Connections {
    /// Of a pool whose hooks are ours.
    pub(crate) fn counted(limits: Limits) -> Self {
        Self {
            counted: Some(Counted {
                opened: AtomicU64::new(0),
                connect: Histogram::new(),
                cut: AtomicU64::new(0),
                ledger: Mutex::new(Ledger::new(limits)),
            }),
        }
    }

    pub(crate) fn are_counted(&self) -> bool {
        self.counted.is_some()
    }

    fn note(&self, note: impl FnOnce(&mut Ledger)) {
        if let Some(counted) = &self.counted {
            note(&mut sync::lock(&counted.ledger));
        }
    }

    /// A connection was opened. The program's `after_connect` decides whether the pool keeps it.
    pub(crate) fn opened(&self) {
        if let Some(counted) = &self.counted {
            counted.opened.fetch_add(1, SeqCst);
            sync::lock(&counted.ledger).opened();
        }
        OPENED.set(OPENED.get() + 1);
    }

    /// The pool keeps a connection that was opened.
    pub(crate) fn keeps_new(&self) {
        self.note(|ledger| ledger.keeps_new(Instant::now()));
    }

    /// The pool does not keep a connection that was opened.
    pub(crate) fn closes_new(&self, why: Shown) {
        self.note(|ledger| ledger.closes_new(why));
    }

    /// A connection of the pool is about to be closed.
    pub(crate) fn closes(&self, why: Shown) {
        self.note(|ledger| ledger.closes(why));
    }

    /// A statement has shown that its connection is broken. The pool will close it.
    pub(crate) fn broke(&self) {
        self.note(Ledger::broke);
    }

    /// A connection was opened for an acquire.
    pub(crate) fn opened_for(&self, opening: Opening) {
        self.note(|ledger| ledger.opened_for(opening));
    }

    /// The connections that go with their pool, which is being dropped.
    pub(crate) fn go_with_pool(&self, number: u32) {
        for _ in 0..number {
            self.closes(Shown::Program);
        }
    }

    /// Takes what is not told to the program's observers yet. What was closed is known as of the last
    /// [`look`](Self::look).
    pub(crate) fn take_untold(&self) -> Untold {
        let counted = self.counted.as_ref();
        let untold = counted.map(|counted| sync::lock(&counted.ledger).take_untold());
        untold.unwrap_or_default()
    }

    /// Whether there is something to tell, or may soon be: connections are open.
    pub(crate) fn may_have_news(&self) -> bool {
        let counted = self.counted.as_ref();
        counted.is_some_and(|counted| sync::lock(&counted.ledger).may_have_news())
    }

    /// A connect took this long.
    pub(crate) fn connected_in(&self, time: Duration) {
        if let Some(counted) = &self.counted {
            counted.connect.record(time);
        }
    }

    /// A connect was given up because the acquire's time was over.
    pub(crate) fn cut(&self) {
        if let Some(counted) = &self.counted {
            counted.cut.fetch_add(1, Relaxed);
        }
    }

    /// How long connects took, and how many were given up.
    pub(crate) fn read_connects(&self) -> (Timing, u64) {
        let counted = self.counted.as_ref();
        let read = counted.map(|it| (it.connect.read(), it.cut.load(Relaxed)));
        read.unwrap_or_default()
    }

    /// Looks at a pool that has `size` connections, including those that are being opened. `None` if they are not counted.
    ///
    /// Exact while no connection is being opened. Meanwhile, the last closed ones may be missing.
    pub(crate) fn look(
        &self,
        size: impl FnOnce() -> u32,
        used: impl FnOnce() -> Use,
    ) -> Option<Counts> {
        let counted = self.counted.as_ref()?;
        let mut ledger = sync::lock(&counted.ledger);
        // In this order: each of the `opened` connections is in `size` by then, or closed. What has closed it is in `used`.
        let opened = counted.opened.load(SeqCst);
        let gone = opened.saturating_sub(u64::from(size()));
        let by = ledger.look(Seen {
            gone,
            used: used(),
            now: Instant::now(),
        });
        Some(Counts { opened, by })
    }
}

impl Counts {
    /// The number of closed connections.
    pub(crate) fn closed(&self) -> u64 {
        self.by.total()
    }

    /// The number of open connections.
    pub(crate) fn open(&self) -> u64 {
        self.opened.saturating_sub(self.closed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNUSED: Use = Use {
        turns: Some(0),
        is_under_way: false,
        is_closed: false,
    };

    fn counted() -> Connections {
        Connections::counted(Limits::for_tests(10))
    }

    fn open(connections: &Connections) {
        connections.opened();
        connections.keeps_new();
    }

    /// Opened and closed, with this size.
    fn look(connections: &Connections, size: u32) -> (u64, u64) {
        let counts = connections.look(|| size, || UNUSED).unwrap();
        (counts.opened, counts.closed())
    }

    #[test]
    fn what_was_opened_and_is_gone_was_closed() {
        let connections = counted();
        open(&connections);
        open(&connections);
        assert_eq!(look(&connections, 2), (2, 0));
        assert_eq!(look(&connections, 1), (2, 1));
    }

    #[test]
    fn while_one_is_being_opened_none_is_open_again() {
        let connections = counted();
        assert_eq!(look(&connections, 1), (0, 0), "the first is dialled");
        open(&connections);
        assert_eq!(look(&connections, 0), (1, 1));
        assert_eq!(look(&connections, 1), (1, 1), "the next is dialled");
        open(&connections);
        assert_eq!(look(&connections, 1), (2, 1));
    }

    #[test]
    fn one_that_is_opened_meanwhile_is_not_taken_for_closed() {
        let connections = &counted();
        let opened = || connections.counted.as_ref().unwrap().opened.load(SeqCst);
        std::thread::scope(|scope| {
            let size = || {
                // It is counted at once, and noted in the ledger when this look is over.
                scope.spawn(|| connections.opened());
                while opened() == 0 {
                    std::thread::yield_now();
                }
                1
            };
            let counts = connections.look(size, || UNUSED).unwrap();
            assert_eq!((counts.opened, counts.closed()), (0, 0));
        });
    }

    #[test]
    fn connections_of_plain_pools_are_not_counted() {
        assert_eq!(Connections::default().look(|| 1, || UNUSED), None);
    }
}
