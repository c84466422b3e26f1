//! How long the statements of a pool took and how many rows they have returned, by operation.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use once_cell::sync::OnceCell;

use crate::measure::bounds::{self, ByRows, ByTime};
use crate::site::tally::Outcome;
use crate::sql::OperationName;

const TIMES: usize = bounds::MILLIS.len() + 1;
const ROWS: usize = bounds::ROWS.len() + 1;
const OUTCOMES: [Outcome; 3] = [Outcome::Ok, Outcome::Error, Outcome::Cancelled];

/// The ended statements of a pool. An operation takes 3.4 KiB from its first statement on.
#[derive(Debug)]
pub(crate) struct Operations([OnceCell<Box<Ends>>; OperationName::COUNT]);

/// The ended statements of one operation.
#[derive(Debug)]
struct Ends {
    /// By outcome, time and rows together, so that a statement costs one addition for all of them.
    counts: [AtomicU64; OUTCOMES.len() * TIMES * ROWS],
    nanos: [AtomicU64; OUTCOMES.len()],
    rows: [AtomicU64; OUTCOMES.len()],
}

/// The statements of one operation that have ended in one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) operation: OperationName,
    pub(crate) outcome: Outcome,
    pub(crate) by_time: ByTime,
    pub(crate) time: Duration,
    pub(crate) by_rows: ByRows,
    pub(crate) rows: u64,
}

impl Operations {
    pub(super) const fn new() -> Self {
        Self([const { OnceCell::new() }; OperationName::COUNT])
    }

    /// Counts a statement that has ended.
    #[inline]
    pub(crate) fn count(&self, operation: OperationName, outcome: Outcome, nanos: u64, rows: u64) {
        let ends = self.0[operation.index()].get_or_init(|| Box::new(Ends::new()));
        let cell = (outcome as usize * TIMES + bounds::of_nanos(nanos)) * ROWS;
        // Relaxed: the counters are independent and publish no other memory.
        ends.counts[cell + bounds::of_rows(rows)].fetch_add(1, Relaxed);
        ends.nanos[outcome as usize].fetch_add(nanos, Relaxed);
        if rows > 0 {
            ends.rows[outcome as usize].fetch_add(rows, Relaxed);
        }
    }

    /// All that have counted a statement.
    pub(crate) fn read(&self) -> Vec<Ended> {
        let mut read = Vec::new();
        for (operation, ends) in OperationName::all().zip(&self.0) {
            let ends = ends.get().into_iter();
            let all = ends.flat_map(|ends| OUTCOMES.map(|outcome| ends.read(operation, outcome)));
            read.extend(all.filter(|ended| ended.by_time.iter().any(|count| *count > 0)));
        }
        read
    }
}

impl Ends {
    const fn new() -> Self {
        Self {
            counts: [const { AtomicU64::new(0) }; OUTCOMES.len() * TIMES * ROWS],
            nanos: [const { AtomicU64::new(0) }; OUTCOMES.len()],
            rows: [const { AtomicU64::new(0) }; OUTCOMES.len()],
        }
    }

    fn read(&self, operation: OperationName, outcome: Outcome) -> Ended {
        let mut ended = Ended {
            operation,
            outcome,
            by_time: ByTime::default(),
            time: Duration::from_nanos(self.nanos[outcome as usize].load(Relaxed)),
            by_rows: ByRows::default(),
            rows: self.rows[outcome as usize].load(Relaxed),
        };
        let cells = &self.counts[outcome as usize * TIMES * ROWS..][..TIMES * ROWS];
        for (time, cells) in cells.chunks(ROWS).enumerate() {
            for (rows, cell) in cells.iter().enumerate() {
                let count = cell.load(Relaxed);
                ended.by_time[time] += count;
                ended.by_rows[rows] += count;
            }
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_counts_by_its_time_and_by_its_rows() {
        let operations = Operations::new();
        let select = OperationName::of("SELECT exam");
        operations.count(select, Outcome::Ok, 3_000_000, 7);
        operations.count(select, Outcome::Ok, 3_000_000, 0);
        operations.count(select, Outcome::Error, 20_000_000_000, 0);
        let [ok, error] = &operations.read()[..] else {
            panic!("two outcomes: {operations:?}");
        };
        assert_eq!(
            (ok.outcome, ok.time, ok.rows),
            (Outcome::Ok, Duration::from_millis(6), 7)
        );
        assert_eq!(ok.by_time, [0, 2, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(ok.by_rows, [1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!((error.outcome, error.by_time[9]), (Outcome::Error, 1));
    }
}
