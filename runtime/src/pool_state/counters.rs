//! The counters of a pool.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::measure::histogram::Histogram;
use crate::measure::units::{nanos, short};
use crate::measure::waits::Waits;
use crate::snapshot::{ControlStats, HoldStats};

/// How long permits were held, by kind of activity: sums over the handles that have ended. Those that were meant to live
/// long count apart, because they are held idle for a reason.
#[derive(Debug)]
pub(crate) struct Holds {
    ended: AtomicU64,
    busy: AtomicU64,
    idle: AtomicU64,
    lent: AtomicU64,
    reserved: AtomicU64,
    /// Without those.
    times: Histogram,
}

/// How long one permit was held, by kind of activity.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hold {
    pub(crate) busy: Duration,
    pub(crate) idle: Duration,
    pub(crate) lent: Duration,
}

impl Hold {
    pub(crate) fn total(self) -> Duration {
        self.busy + self.idle + self.lent
    }

    /// The parts as text.
    pub(crate) fn split(self) -> String {
        let mut split = format!(
            "{} with the database, {} without",
            short(self.busy),
            short(self.idle)
        );
        if !self.lent.is_zero() {
            split += &format!(", {} lent to plain sqlx", short(self.lent));
        }
        split
    }
}

impl Holds {
    const fn new() -> Self {
        Self {
            ended: AtomicU64::new(0),
            busy: AtomicU64::new(0),
            idle: AtomicU64::new(0),
            lent: AtomicU64::new(0),
            reserved: AtomicU64::new(0),
            times: Histogram::new(),
        }
    }

    pub(crate) fn add(&self, hold: Hold) {
        let parts = [
            (&self.busy, hold.busy),
            (&self.idle, hold.idle),
            (&self.lent, hold.lent),
        ];
        for (sum, part) in parts {
            if !part.is_zero() {
                sum.fetch_add(nanos(part), Relaxed);
            }
        }
        self.times.record(hold.total());
        self.ended.fetch_add(1, Relaxed);
    }

    /// Adds the hold of a handle that was meant to live long.
    pub(crate) fn add_reserved(&self, hold: Hold) {
        self.reserved.fetch_add(nanos(hold.total()), Relaxed);
    }

    /// The number of handles that have ended.
    pub(crate) fn ended(&self) -> u64 {
        self.ended.load(Relaxed)
    }

    pub(crate) fn read(&self) -> HoldStats {
        let time = |nanos: &AtomicU64| Duration::from_nanos(nanos.load(Relaxed));
        HoldStats {
            ended: self.ended.load(Relaxed),
            busy: time(&self.busy),
            idle: time(&self.idle),
            lent: time(&self.lent),
            reserved: time(&self.reserved),
            time: self.times.read(),
        }
    }
}

/// Counters that only grow.
#[derive(Debug)]
pub(crate) struct PoolCounters {
    pub(crate) timeouts: AtomicU64,
    pub(crate) acquire_errors: AtomicU64,
    pub(crate) abandoned: AtomicU64,
    pub(crate) detached: AtomicU64,
    pub(crate) leaked: AtomicU64,
    /// Connections closed because their return took too long.
    pub(crate) returns_cut: AtomicU64,
    pub(crate) waits: Waits,
    pub(crate) holds: Holds,
    begins: AtomicU64,
    savepoints: AtomicU64,
    commits: AtomicU64,
    rollbacks: AtomicU64,
    implicit_rollbacks: AtomicU64,
    pings: AtomicU64,
    prepares: AtomicU64,
    describes: AtomicU64,
}

impl PoolCounters {
    pub(super) fn new() -> Self {
        Self {
            timeouts: AtomicU64::new(0),
            acquire_errors: AtomicU64::new(0),
            abandoned: AtomicU64::new(0),
            detached: AtomicU64::new(0),
            leaked: AtomicU64::new(0),
            returns_cut: AtomicU64::new(0),
            waits: Waits::new(),
            holds: Holds::new(),
            begins: AtomicU64::new(0),
            savepoints: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            rollbacks: AtomicU64::new(0),
            implicit_rollbacks: AtomicU64::new(0),
            pings: AtomicU64::new(0),
            prepares: AtomicU64::new(0),
            describes: AtomicU64::new(0),
        }
    }

    /// The number of acquires that were granted no permit.
    pub(crate) fn failed(&self) -> u64 {
        let failed = [&self.timeouts, &self.acquire_errors, &self.abandoned];
        failed.iter().map(|counter| counter.load(Relaxed)).sum()
    }

    pub(crate) fn count(&self, control: Control) {
        match control {
            Control::Begin => &self.begins,
            Control::Savepoint => &self.savepoints,
            Control::Commit => &self.commits,
            Control::Rollback => &self.rollbacks,
            Control::ImplicitRollback => &self.implicit_rollbacks,
            Control::Ping => &self.pings,
            Control::Prepare => &self.prepares,
            Control::Describe => &self.describes,
        }
        .fetch_add(1, Relaxed);
    }

    pub(super) fn read_control(&self) -> ControlStats {
        ControlStats {
            begins: self.begins.load(Relaxed),
            savepoints: self.savepoints.load(Relaxed),
            commits: self.commits.load(Relaxed),
            rollbacks: self.rollbacks.load(Relaxed),
            implicit_rollbacks: self.implicit_rollbacks.load(Relaxed),
            pings: self.pings.load(Relaxed),
            prepares: self.prepares.load(Relaxed),
            describes: self.describes.load(Relaxed),
        }
    }
}

/// A control operation: one that is no statement of the user's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    Begin,
    Savepoint,
    Commit,
    Rollback,
    ImplicitRollback,
    Ping,
    Prepare,
    Describe,
}

impl Control {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Control::Begin => "begin",
            Control::Savepoint => "savepoint",
            Control::Commit => "commit",
            Control::Rollback => "rollback",
            Control::ImplicitRollback => "implicit rollback",
            Control::Ping => "ping",
            Control::Prepare => "prepare",
            Control::Describe => "describe",
        }
    }

    /// What is sent, as the name of a span.
    pub(crate) fn statement(self, is_nested: bool) -> &'static str {
        match self {
            Control::Begin => "BEGIN",
            Control::Savepoint => "SAVEPOINT",
            Control::Commit if is_nested => "RELEASE SAVEPOINT",
            Control::Commit => "COMMIT",
            Control::Rollback | Control::ImplicitRollback if is_nested => "ROLLBACK TO SAVEPOINT",
            Control::Rollback | Control::ImplicitRollback => "ROLLBACK",
            Control::Ping => "PING",
            Control::Prepare => "PREPARE",
            Control::Describe => "DESCRIBE",
        }
    }

    /// Whether sqlx's MySQL driver, if the operation is abandoned, takes its answer for that of the next statement.
    pub(crate) fn is_answered_unseen(self) -> bool {
        matches!(self, Control::Ping | Control::Prepare | Control::Describe)
    }
}
