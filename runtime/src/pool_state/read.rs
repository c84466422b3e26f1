//! A pool as plain data.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use super::PoolState;
use super::endpoint::System;
use super::operations::Ended;
use super::registry::{self, ErasedPool};
use crate::snapshot::{ConnectionStats, DemandStats, PoolStats};

impl PoolState {
    fn read(&self, pool: &dyn ErasedPool) -> PoolStats {
        let counters = &self.counters;
        let wait = counters.waits.read();
        PoolStats {
            id: self.id,
            name: self.name().to_string(),
            label: self.label().to_string(),
            system: self.endpoint.system.name().to_owned(),
            site: self.connected.to_call_site(),
            max_connections: self.limits.max_connections,
            min_connections: self.limits.min_connections,
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
            demand: self.read_demand(Instant::now()),
            connections: self.read_connections(pool),
            control: counters.read_control(),
        }
    }

    fn read_connections(&self, pool: &dyn ErasedPool) -> Option<ConnectionStats> {
        let counts = pool.connections()?;
        let (connect, cut) = self.connections.read_connects();
        Some(ConnectionStats {
            opened: counts.opened,
            open: counts.open(),
            closed: counts.closed(),
            closed_by: counts.by,
            connect,
            cut,
            wait_with_connect: self.counters.waits.read_with_connect(),
            wait_without_connect: self.counters.waits.read_without_connect(),
        })
    }

    /// What the pool's users needed of it, without the handles that live.
    pub(crate) fn read_demand(&self, now: Instant) -> DemandStats {
        let counters = &self.counters;
        let waiting = self.permits.waiting();
        let (granted, holds) = (self.granted(), counters.holds.read());
        DemandStats {
            over: now.saturating_duration_since(self.demand.since),
            asked: granted + counters.failed() + waiting,
            granted,
            busy: holds.busy,
            idle: holds.idle,
            lent: holds.lent,
            reserved: holds.reserved,
            most_held: self.permits.most_held(),
            tasks: self.demand.tasks(),
            per_task: self.demand.nesting().max(granted.min(1)),
        }
    }
}

/// Every pool that is alive, with its ended statements.
pub(crate) fn operations() -> Vec<(Arc<PoolState>, Vec<Ended>)> {
    let pools = registry::all();
    let states = pools.iter().map(|pool| Arc::clone(pool.state()));
    states
        .map(|state| {
            let ended = state.operations.read();
            (state, ended)
        })
        .collect()
}

/// The ended statements on connections that belong to no pool, by database system.
pub(crate) fn operations_without_pool() -> Vec<(&'static str, Vec<Ended>)> {
    let systems = System::ALL.into_iter();
    systems
        .map(|system| (system.name(), PoolState::none(system).operations.read()))
        .collect()
}

/// Every pool that is alive, in the order of their ids. The times of `demand` are without the handles that live.
pub(crate) fn read_all() -> Vec<PoolStats> {
    let pools = registry::all();
    pools
        .iter()
        .map(|pool| pool.state().read(&**pool))
        .collect()
}
