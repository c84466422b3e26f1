//! The live map: every claim, by id, from its first poll until its permit is free again.

use std::sync::Arc;
use std::time::Instant;

use dashmap::DashMap;
use once_cell::sync::Lazy;
use rustc_hash::FxBuildHasher;

use super::{Handle, Standing};
use crate::pool_state::PoolState;
use crate::snapshot::{HandleInfo, WaiterInfo};

/// Many shards, so that a walk over a hundred thousand handles holds each lock only briefly.
const SHARDS: usize = 128;

static LIVE: Lazy<DashMap<u64, Arc<Handle>, FxBuildHasher>> =
    Lazy::new(|| DashMap::with_hasher_and_shard_amount(FxBuildHasher, SHARDS));

pub(super) fn insert(handle: &Arc<Handle>) {
    LIVE.insert(handle.id, Arc::clone(handle));
}

pub(super) fn remove(id: u64) {
    // `remove` has unlocked the shard. Dropping the handle may drop a span, which runs the code of a subscriber.
    drop(LIVE.remove(&id));
}

/// The claim of this id, if it is still alive.
pub(super) fn find(id: u64) -> Option<Arc<Handle>> {
    LIVE.get(&id).map(|entry| Arc::clone(entry.value()))
}

/// The claims of these ids that are still alive.
pub(super) fn resolve(ids: &[u64]) -> Vec<Arc<Handle>> {
    ids.iter().filter_map(|id| find(*id)).collect()
}

/// The claims of a pool, oldest first.
pub(super) fn of_pool(pool: &Arc<PoolState>) -> Vec<Arc<Handle>> {
    let claims = LIVE.iter().filter(|entry| Arc::ptr_eq(&entry.pool, pool));
    let mut claims: Vec<_> = claims.map(|entry| Arc::clone(entry.value())).collect();
    claims.sort_unstable_by_key(|claim| claim.id);
    claims
}

/// Every claim, oldest first.
pub(crate) fn all() -> Vec<Arc<Handle>> {
    // The claims are copied out shard by shard. No handle is looked into while a shard is locked.
    let mut live: Vec<(u64, Arc<Handle>)> = Vec::with_capacity(LIVE.len());
    live.extend(
        LIVE.iter()
            .map(|entry| (*entry.key(), Arc::clone(entry.value()))),
    );
    // Sorted by the copied keys: reading the id from each handle would miss the cache.
    live.sort_unstable_by_key(|(id, _)| *id);
    live.into_iter().map(|(_, handle)| handle).collect()
}

/// The handles and the waiters among `claims`, in their order.
pub(crate) fn read(claims: &[Arc<Handle>]) -> (Vec<HandleInfo>, Vec<WaiterInfo>) {
    let now = Instant::now();
    let (mut handles, mut waiters) = (Vec::new(), Vec::new());
    for handle in claims {
        match handle.glance().standing {
            Standing::Waiting => waiters.push(handle.read_waiter(now)),
            Standing::Held(_) => handles.push(handle.read(now)),
            Standing::Returning(_) => {}
        }
    }
    (handles, waiters)
}

/// The number of entries of the map, and their bytes.
pub(crate) fn size() -> (usize, usize) {
    let entries = LIVE.len();
    (
        entries,
        entries * (size_of::<Handle>() + 2 * size_of::<usize>()),
    )
}
