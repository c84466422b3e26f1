//! Every pool that is alive.

use std::sync::{Arc, Weak};

use dashmap::DashMap;
use futures_core::future::BoxFuture;
use once_cell::sync::Lazy;
use rustc_hash::FxBuildHasher;

use super::PoolState;
use super::endpoint::Endpoint;

static POOLS: Lazy<DashMap<u64, Weak<dyn ErasedPool>, FxBuildHasher>> = Lazy::new(DashMap::default);

/// A pool of some database, as the tracker asks it.
pub(crate) trait ErasedPool: Send + Sync {
    fn state(&self) -> &Arc<PoolState>;
    /// Connections open or being opened.
    fn size(&self) -> u32;
    /// Those of them that nobody holds.
    fn idle(&self) -> u32;
    fn is_closed(&self) -> bool;
    /// Where it leads now: a pool may be given other options.
    fn endpoint(&self) -> Endpoint;
    /// Connects once, beside the pool, and closes the connection again.
    fn connect(&self) -> BoxFuture<'static, Result<(), sqlx::Error>>;
}

/// Makes a pool known as long as it lives.
pub(crate) fn register(pool: Weak<dyn ErasedPool>, id: u64) {
    POOLS.insert(id, pool);
}

/// Ends what [`register`] began.
pub(crate) fn unregister(id: u64) {
    POOLS.remove(&id);
}

/// How many pools there are.
pub(crate) fn number() -> usize {
    POOLS.len()
}

/// The pool of this number, while it is alive.
pub(crate) fn find(id: u64) -> Option<Arc<dyn ErasedPool>> {
    let pool = POOLS.get(&id)?.value().clone();
    pool.upgrade()
}

/// Every pool that is alive, in the order in which they were made.
pub(crate) fn all() -> Vec<Arc<dyn ErasedPool>> {
    // A pool is upgraded outside the shard's lock: dropping the last one comes back to this map.
    let weak: Vec<_> = POOLS.iter().map(|entry| entry.value().clone()).collect();
    let mut pools: Vec<_> = weak.iter().filter_map(Weak::upgrade).collect();
    pools.sort_by_key(|pool| pool.state().id());
    pools
}
