//! The live map.

use std::sync::Arc;
use std::time::Instant;

use dashmap::DashMap;
use once_cell::sync::Lazy;
use rustc_hash::FxBuildHasher;

use super::{Handle, Standing};
use crate::snapshot::{HandleInfo, WaiterInfo};

/// Many shards, so that a walk over a hundred thousand handles locks out nobody for long.
const SHARDS: usize = 128;

static LIVE: Lazy<DashMap<u64, Arc<Handle>, FxBuildHasher>> =
    Lazy::new(|| DashMap::with_hasher_and_shard_amount(FxBuildHasher, SHARDS));

pub(super) fn insert(handle: &Arc<Handle>) {
    LIVE.insert(handle.id, Arc::clone(handle));
}

pub(super) fn remove(id: u64) {
    // What is removed is dropped here, after the shard was unlocked: with it may go a span, which is a subscriber's code.
    drop(LIVE.remove(&id));
}

/// Those of these claims that still live.
pub(super) fn resolve(ids: &[u64]) -> Vec<Arc<Handle>> {
    let live = |id| LIVE.get(id).map(|entry| Arc::clone(entry.value()));
    ids.iter().filter_map(live).collect()
}

/// Every claim, oldest first.
pub(crate) fn all() -> Vec<Arc<Handle>> {
    // Copied out shard by shard: nothing is asked of a handle with a shard locked.
    let mut live: Vec<(u64, Arc<Handle>)> = Vec::with_capacity(LIVE.len());
    live.extend(
        LIVE.iter()
            .map(|entry| (*entry.key(), Arc::clone(entry.value()))),
    );
    // By the keys: each look into a handle is one at memory far away.
    live.sort_unstable_by_key(|(id, _)| *id);
    live.into_iter().map(|(_, handle)| handle).collect()
}

/// Every handle and every waiter, oldest first.
pub(crate) fn read_all() -> (Vec<HandleInfo>, Vec<WaiterInfo>) {
    let now = Instant::now();
    let (mut handles, mut waiters) = (Vec::new(), Vec::new());
    for handle in all() {
        match handle.glance().standing {
            Standing::Waiting => waiters.push(handle.read_waiter(now)),
            Standing::Held(_) => handles.push(handle.read(now)),
            Standing::Returning(_) => {}
        }
    }
    (handles, waiters)
}

/// How many entries the map has, and their bytes.
pub(crate) fn size() -> (usize, usize) {
    let entries = LIVE.len();
    (
        entries,
        entries * (size_of::<Handle>() + 2 * size_of::<usize>()),
    )
}
