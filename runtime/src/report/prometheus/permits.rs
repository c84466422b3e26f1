//! Permits by what is done with them, and the oldest holder and waiter of each pool.

use std::collections::HashMap;
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

/// The claims on one pool.
#[derive(Clone, Copy, Default)]
struct Claims {
    busy: u64,
    idle_in_transaction: u64,
    idle: u64,
    lent: u64,
    reserved: u64,
    oldest_hold: Duration,
    oldest_wait: Duration,
}

pub(super) fn write(exposition: &mut Exposition, pools: &[&PoolStats], snapshot: &Snapshot) {
    let claims = by_pool(snapshot);
    let of = |pool: &PoolStats| claims.get(&pool.id).copied().unwrap_or_default();
    let mut series = exposition.family(PERMITS);
    for pool in pools {
        for (state, number) in permits(pool, of(pool)) {
            series.value(&[pool_name(pool), ("state", state)], number);
        }
    }
    let mut series = exposition.family(OLDEST_HOLD);
    for pool in pools {
        series.value(&[pool_name(pool)], of(pool).oldest_hold.as_secs_f64());
    }
    let mut series = exposition.family(OLDEST_WAIT);
    for pool in pools {
        series.value(&[pool_name(pool)], of(pool).oldest_wait.as_secs_f64());
    }
}

fn permits(pool: &PoolStats, claims: Claims) -> [(&'static str, u64); 7] {
    let found = registry::find(pool.id);
    [
        ("busy", claims.busy),
        ("idle_in_transaction", claims.idle_in_transaction),
        ("idle", claims.idle),
        ("lent", claims.lent),
        ("reserved", claims.reserved),
        ("returning", pool.returning),
        ("unknown", found.map_or(0, |pool| lint::unexplained(&*pool))),
    ]
}

fn by_pool(snapshot: &Snapshot) -> HashMap<u64, Claims> {
    let mut claims: HashMap<u64, Claims> = HashMap::new();
    for handle in &snapshot.handles {
        claims.entry(handle.pool_id).or_default().add(handle);
    }
    for waiter in &snapshot.waiters {
        let of_pool = claims.entry(waiter.pool_id).or_default();
        of_pool.oldest_wait = of_pool.oldest_wait.max(waiter.age);
    }
    claims
}

impl Claims {
    fn add(&mut self, handle: &HandleInfo) {
        if handle.reserved.is_some() {
            self.reserved += 1;
            return;
        }
        self.oldest_hold = self.oldest_hold.max(handle.age);
        *match handle.activity {
            Activity::Busy | Activity::Streaming => &mut self.busy,
            Activity::Lent => &mut self.lent,
            Activity::Idle if handle.transaction.is_some() => &mut self.idle_in_transaction,
            Activity::Idle => &mut self.idle,
        } += 1;
    }
}
