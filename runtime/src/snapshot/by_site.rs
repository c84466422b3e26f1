//! The live handles, grouped by the places that took them.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use super::{Activity, HandleInfo, Snapshot};
use crate::finding::CallSite;

/// The live handles of one pool that one place took: a row of [`Snapshot::by_site`].
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SiteHandles {
    /// The pool's name.
    pub pool: String,
    /// The number of the pool: [`PoolStats::id`](super::PoolStats::id).
    pub pool_id: u64,
    /// The largest number of connections that the pool may have; `None` if the pool is gone and its handles are not.
    pub max_connections: Option<u32>,
    /// Where they were taken.
    pub site: CallSite,
    /// The number of live handles.
    pub handles: u64,
    /// How many of them do not use the database now.
    pub idle_now: u64,
    /// How many of them have a transaction open.
    pub in_transaction: u64,
    /// How many of them are meant to live long.
    pub reserved: u64,
    /// Time since the oldest was taken.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "oldest_ms", serialize_with = "crate::millis::serialize")
    )]
    pub oldest: Duration,
    /// The part of their lives in which they used the database, summed up.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "busy_total_ms", serialize_with = "crate::millis::serialize")
    )]
    pub busy_total: Duration,
    /// The part of their lives in which they were held and did not use the database, summed up.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "idle_total_ms", serialize_with = "crate::millis::serialize")
    )]
    pub idle_total: Duration,
    /// The part of their lives in which plain sqlx had the connections, summed up.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "lent_total_ms", serialize_with = "crate::millis::serialize")
    )]
    pub lent_total: Duration,
}

impl Snapshot {
    /// Returns the live handles by the place that took them and by pool, as a heap dump lists objects by where they were
    /// allocated.
    ///
    /// The most suspicious places come first: those whose handles were held for the longest time, summed up, in which they
    /// were not seen to use the database. Handles that are meant to live long do not count for this order.
    ///
    /// ```
    /// use sqlx_leash::leash;
    ///
    /// for row in leash::snapshot().by_site() {
    ///     println!("{} of pool {}, taken at {}: {:.0} % idle", row.handles, row.pool, row.site, 100.0 * row.idle_share());
    /// }
    /// ```
    pub fn by_site(&self) -> Vec<SiteHandles> {
        let mut rows: BTreeMap<(u64, &CallSite), (Duration, SiteHandles)> = BTreeMap::new();
        for handle in &self.handles {
            let (unused, row) = rows
                .entry((handle.pool_id, &handle.site))
                .or_insert_with(|| (Duration::ZERO, self.empty_row(handle)));
            *unused += handle.unused();
            row.add(handle);
        }
        let mut rows: Vec<_> = rows.into_values().collect();
        rows.sort_by_key(|(unused, row)| Reverse((*unused, row.handles, row.oldest)));
        rows.into_iter().map(|(_, row)| row).collect()
    }

    /// The row of the place of `handle`, before any handle counts in it.
    fn empty_row(&self, handle: &HandleInfo) -> SiteHandles {
        let pool = self.pools.iter().find(|pool| pool.id == handle.pool_id);
        SiteHandles {
            pool: handle.pool.clone(),
            pool_id: handle.pool_id,
            max_connections: pool.map(|pool| pool.max_connections),
            site: handle.site.clone(),
            handles: 0,
            idle_now: 0,
            in_transaction: 0,
            reserved: 0,
            oldest: Duration::ZERO,
            busy_total: Duration::ZERO,
            idle_total: Duration::ZERO,
            lent_total: Duration::ZERO,
        }
    }
}

impl HandleInfo {
    /// The time in which it was not seen to use the database; zero if it is meant to live long.
    pub(crate) fn unused(&self) -> Duration {
        match self.reserved {
            Some(_) => Duration::ZERO,
            None => self.idle_total + self.lent_total,
        }
    }
}

impl SiteHandles {
    fn add(&mut self, handle: &HandleInfo) {
        self.handles += 1;
        self.idle_now += u64::from(handle.activity == Activity::Idle);
        self.in_transaction += u64::from(handle.transaction.is_some());
        self.reserved += u64::from(handle.reserved.is_some());
        self.oldest = self.oldest.max(handle.age);
        self.busy_total += handle.busy_total;
        self.idle_total += handle.idle_total;
        self.lent_total += handle.lent_total;
    }

    /// The share (0.0 to 1.0) of their lives in which they were held and did not use the database.
    pub fn idle_share(&self) -> f64 {
        super::share(
            self.idle_total,
            self.busy_total + self.idle_total + self.lent_total,
        )
    }
}
