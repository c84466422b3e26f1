//! The live map.

use std::sync::Arc;
use std::time::Instant;

use dashmap::DashMap;
use once_cell::sync::Lazy;
use rustc_hash::FxBuildHasher;

use super::Handle;
use crate::pool_state::Occupancy;
use crate::snapshot::{HandleInfo, WaiterInfo};

static LIVE: Lazy<DashMap<u64, Arc<Handle>, FxBuildHasher>> = Lazy::new(DashMap::default);

pub(super) fn insert(handle: &Arc<Handle>) {
    LIVE.insert(handle.id, Arc::clone(handle));
}

pub(super) fn remove(id: u64) {
    // What is removed is dropped here, after the shard was unlocked: with it may go a span, which is a subscriber's code.
    drop(LIVE.remove(&id));
}

fn live() -> Vec<Arc<Handle>> {
    // Copied out shard by shard: nothing is asked of a handle with a shard locked.
    let mut live: Vec<_> = LIVE.iter().map(|entry| Arc::clone(entry.value())).collect();
    live.sort_by_key(|handle| handle.id);
    live
}

pub(crate) fn occupancy(pool: u64) -> Occupancy {
    let mut occupancy = Occupancy::default();
    for handle in live().iter().filter(|handle| handle.pool.id() == pool) {
        if handle.is_waiting() {
            occupancy.waiting += 1;
        } else {
            occupancy.held += 1;
            occupancy.reserved += u64::from(handle.is_reserved());
        }
    }
    occupancy
}

/// Every handle and every waiter, oldest first.
pub(crate) fn read_all() -> (Vec<HandleInfo>, Vec<WaiterInfo>) {
    let now = Instant::now();
    let (waiters, handles): (Vec<_>, Vec<_>) =
        live().into_iter().partition(|handle| handle.is_waiting());
    (
        handles.iter().map(|handle| handle.read(now)).collect(),
        waiters
            .iter()
            .map(|handle| handle.read_waiter(now))
            .collect(),
    )
}

/// How many entries the map has, and their bytes.
pub(crate) fn size() -> (usize, usize) {
    let entries = LIVE.len();
    (
        entries,
        entries * (size_of::<Handle>() + 2 * size_of::<usize>()),
    )
}
