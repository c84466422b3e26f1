//! A pool as plain data.

use std::sync::atomic::Ordering::Relaxed;

use super::PoolState;
use super::registry::{self, ErasedPool};
use crate::snapshot::PoolStats;

impl PoolState {
    fn read(&self, pool: &dyn ErasedPool) -> PoolStats {
        let counters = &self.counters;
        let wait = counters.waits.read();
        PoolStats {
            id: self.id,
            name: self.name().to_string(),
            system: self.endpoint.system.name().to_owned(),
            site: self.connected.to_call_site(),
            max_connections: self.limits.max_connections,
            size: pool.size(),
            idle: pool.idle(),
            handles: self.held(),
            reserved: self.permits.reserved.load(Relaxed),
            returning: self.permits.returning(),
            waiting: self.permits.waiting(),
            lent: self.lent.get().is_some(),
            closed: pool.is_closed(),
            acquired: wait.count,
            timeouts: counters.timeouts.load(Relaxed),
            acquire_errors: counters.acquire_errors.load(Relaxed),
            abandoned: counters.abandoned.load(Relaxed),
            detached: counters.detached.load(Relaxed),
            leaked: counters.leaked.load(Relaxed),
            returns_cut: counters.returns_cut.load(Relaxed),
            wait,
            holds: counters.holds.read(),
            control: counters.read_control(),
        }
    }
}

/// Every pool that is alive.
pub(crate) fn read_all() -> Vec<PoolStats> {
    let pools = registry::all();
    pools
        .iter()
        .map(|pool| pool.state().read(&**pool))
        .collect()
}
