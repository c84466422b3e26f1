//! Permits by what is done with them, and the oldest holder and waiter of each pool.

use std::time::Duration;

use super::exposition::{Exposition, Family};
use super::pool_name;
use super::pools::gauge;
use crate::lint;
use crate::pool_state::registry;
use crate::snapshot::{Activity, HandleInfo, PoolStats, Snapshot};

const PERMITS: Family = gauge(
    "sqlx_leash_permits",
    "Permits that are not free, by what is done with them.",
);
const OLDEST_HOLD: Family = gauge(
    "sqlx_leash_oldest_hold_seconds",
    "For how long the oldest handle is held, without those that are meant to live long; 0 if none is.",
);
const OLDEST_WAIT: Family = gauge(
    "sqlx_leash_oldest_wait_seconds",
    "For how long the oldest acquire waits for a permit; 0 if none does.",
);

pub(super) fn write(exposition: &mut Exposition, pools: &[&PoolStats], snapshot: &Snapshot) {
    let mut series = exposition.family(PERMITS);
    for pool in pools {
        for (state, number) in permits(pool, snapshot) {
            series.value(&[pool_name(pool), ("state", state)], number);
        }
    }
    let holds = |pool: &PoolStats| {
        let held = snapshot.handles.iter().filter(|it| it.pool_id == pool.id);
        let held = held.filter(|handle| handle.reserved.is_none());
        held.map(|handle| handle.age).max()
    };
    write_oldest(exposition, OLDEST_HOLD, pools, holds);
    let waits = |pool: &PoolStats| {
        let waiting = snapshot.waiters.iter().filter(|it| it.pool_id == pool.id);
        waiting.map(|waiter| waiter.age).max()
    };
    write_oldest(exposition, OLDEST_WAIT, pools, waits);
}

fn write_oldest(
    exposition: &mut Exposition,
    family: Family,
    pools: &[&PoolStats],
    oldest: impl Fn(&PoolStats) -> Option<Duration>,
) {
    let mut series = exposition.family(family);
    for pool in pools {
        let age = oldest(pool).unwrap_or_default();
        series.value(&[pool_name(pool)], age.as_secs_f64());
    }
}

fn permits(pool: &PoolStats, snapshot: &Snapshot) -> [(&'static str, u64); 7] {
    let in_state = |state: &str| {
        let held = snapshot.handles.iter().filter(|it| it.pool_id == pool.id);
        held.filter(|handle| state_of(handle) == state).count() as u64
    };
    let found = registry::find(pool.id);
    [
        ("busy", in_state("busy")),
        ("idle_in_transaction", in_state("idle_in_transaction")),
        ("idle", in_state("idle")),
        ("lent", in_state("lent")),
        ("reserved", in_state("reserved")),
        ("returning", pool.returning),
        ("unknown", found.map_or(0, |pool| lint::unexplained(&*pool))),
    ]
}

fn state_of(handle: &HandleInfo) -> &'static str {
    match handle.activity {
        _ if handle.reserved.is_some() => "reserved",
        Activity::Busy | Activity::Streaming => "busy",
        Activity::Lent => "lent",
        Activity::Idle if handle.transaction.is_some() => "idle_in_transaction",
        Activity::Idle => "idle",
    }
}
