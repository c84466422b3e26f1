//! What an interval added: the difference of two snapshots.

use std::time::Duration;

use super::{
    AcquireStats, Bucket, ConnectionStats, HoldStats, PoolStats, RequestStats, SiteStats, Snapshot,
    Timing,
};

impl Snapshot {
    /// Returns what happened after `earlier` was taken.
    ///
    /// Counters, sums and buckets are the differences. States (handles, waiters, sizes of pools) are those of `self`, and so
    /// are the largest numbers that were seen.
    /// Rows in which nothing began, ended or was saved in between are left out. The minimum and maximum of an interval are the bounds of its
    /// outermost buckets.
    #[must_use]
    pub fn since(&self, earlier: &Snapshot) -> Snapshot {
        let mut delta = self.clone();
        delta.sites.retain_mut(|row| {
            if let Some(before) = earlier.sites.iter().find(|before| before.is_same_row(row)) {
                row.subtract(before);
            }
            !row.is_quiet()
        });
        delta.acquires.retain_mut(|row| {
            let mut before = earlier.acquires.iter();
            if let Some(before) = before.find(|before| before.site == row.site) {
                row.subtract(before);
            }
            !row.is_quiet()
        });
        delta.requests.retain_mut(|row| {
            let mut before = earlier.requests.iter();
            let is_same = |it: &&RequestStats| it.method == row.method && it.route == row.route;
            if let Some(before) = before.find(is_same) {
                row.subtract(before);
            }
            !row.is_quiet()
        });
        for pool in &mut delta.pools {
            if let Some(before) = earlier.pools.iter().find(|before| before.id == pool.id) {
                pool.subtract(before);
            }
        }
        for row in &mut delta.lints {
            if let Some(before) = earlier.lints.iter().find(|before| before.lint == row.lint) {
                row.found = row.found.saturating_sub(before.found);
                row.denied = row.denied.saturating_sub(before.denied);
                row.suppressed = row.suppressed.saturating_sub(before.suppressed);
            }
        }
        delta.over = delta.over.saturating_sub(earlier.over);
        delta
    }
}

impl SiteStats {
    /// Whether nothing began or ended there, and nothing was saved.
    fn is_quiet(&self) -> bool {
        self.calls + self.ok + self.errors + self.cancelled + self.saved == 0
    }

    pub(crate) fn is_same_row(&self, other: &SiteStats) -> bool {
        (self.line, self.column) == (other.line, other.column)
            && self.file == other.file
            && self.function == other.function
            && self.sql == other.sql
    }

    fn subtract(&mut self, before: &SiteStats) {
        // Saturating: snapshots in the wrong order have no difference.
        for (now, then) in [
            (&mut self.calls, before.calls),
            (&mut self.ok, before.ok),
            (&mut self.errors, before.errors),
            (&mut self.cancelled, before.cancelled),
            (&mut self.rows_returned, before.rows_returned),
            (&mut self.rows_affected, before.rows_affected),
            (&mut self.saved, before.saved),
        ] {
            *now = now.saturating_sub(then);
        }
        self.time = self.time.since(&before.time);
    }
}

impl PoolStats {
    fn subtract(&mut self, before: &PoolStats) {
        for (now, then) in [
            (&mut self.acquired, before.acquired),
            (&mut self.timeouts, before.timeouts),
            (&mut self.acquire_errors, before.acquire_errors),
            (&mut self.abandoned, before.abandoned),
            (&mut self.detached, before.detached),
            (&mut self.leaked, before.leaked),
            (&mut self.returns_cut, before.returns_cut),
            (&mut self.control.begins, before.control.begins),
            (&mut self.control.savepoints, before.control.savepoints),
            (&mut self.control.commits, before.control.commits),
            (&mut self.control.rollbacks, before.control.rollbacks),
            (
                &mut self.control.implicit_rollbacks,
                before.control.implicit_rollbacks,
            ),
            (&mut self.control.pings, before.control.pings),
            (&mut self.control.prepares, before.control.prepares),
            (&mut self.control.describes, before.control.describes),
        ] {
            *now = now.saturating_sub(then);
        }
        self.wait = self.wait.since(&before.wait);
        self.holds = self.holds.since(&before.holds);
        self.demand = self.demand.since(before.demand);
        if let (Some(now), Some(then)) = (&mut self.connections, &before.connections) {
            now.subtract(then);
        }
    }
}

impl ConnectionStats {
    fn subtract(&mut self, before: &ConnectionStats) {
        self.opened = self.opened.saturating_sub(before.opened);
        self.closed = self.closed.saturating_sub(before.closed);
        self.closed_by = self.closed_by.with(before.closed_by, u64::saturating_sub);
        self.cut = self.cut.saturating_sub(before.cut);
        for (now, then) in [
            (&mut self.connect, &before.connect),
            (&mut self.wait_with_connect, &before.wait_with_connect),
            (&mut self.wait_without_connect, &before.wait_without_connect),
        ] {
            *now = now.since(then);
        }
    }
}

impl AcquireStats {
    fn subtract(&mut self, before: &AcquireStats) {
        for (now, then) in [
            (&mut self.acquired, before.acquired),
            (&mut self.timeouts, before.timeouts),
            (&mut self.errors, before.errors),
            (&mut self.abandoned, before.abandoned),
            (&mut self.opened, before.opened),
        ] {
            *now = now.saturating_sub(then);
        }
        self.wait = self.wait.since(&before.wait);
    }

    /// Whether nothing happened there.
    fn is_quiet(&self) -> bool {
        self.acquired + self.timeouts + self.errors + self.abandoned + self.opened == 0
    }
}

impl HoldStats {
    fn since(&self, earlier: &Self) -> Self {
        Self {
            ended: self.ended.saturating_sub(earlier.ended),
            busy: self.busy.saturating_sub(earlier.busy),
            idle: self.idle.saturating_sub(earlier.idle),
            lent: self.lent.saturating_sub(earlier.lent),
            reserved: self.reserved.saturating_sub(earlier.reserved),
            time: self.time.since(&earlier.time),
        }
    }
}

impl Timing {
    pub(super) fn since(&self, earlier: &Timing) -> Timing {
        let buckets: Vec<Bucket> = self
            .buckets
            .iter()
            .filter_map(|bucket| {
                let before = earlier
                    .buckets
                    .iter()
                    .find(|b| b.from == bucket.from)
                    .map_or(0, |b| b.count);
                let count = bucket.count.saturating_sub(before);
                (count > 0).then_some(Bucket { count, ..*bucket })
            })
            .collect();
        let max = buckets
            .last()
            .map_or(Duration::ZERO, |b| b.to.min(self.max));
        let min = buckets
            .first()
            .map_or(Duration::ZERO, |b| b.from.max(self.min));
        Timing {
            count: self.count.saturating_sub(earlier.count),
            total: self.total.saturating_sub(earlier.total),
            // The first bucket has shorter ones as well.
            min: min.min(max),
            max,
            buckets,
        }
    }
}
