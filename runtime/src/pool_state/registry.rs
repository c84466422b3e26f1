//! Every pool that is alive.

use std::sync::{Arc, Weak};

use dashmap::DashMap;
use futures_core::future::BoxFuture;
use once_cell::sync::Lazy;
use rustc_hash::FxBuildHasher;

use super::PoolState;
use super::connections::Counts;
use super::endpoint::Endpoint;

static POOLS: Lazy<DashMap<u64, Weak<dyn ErasedPool>, FxBuildHasher>> = Lazy::new(DashMap::default);

/// A pool, whatever its database.
pub(crate) trait ErasedPool: Send + Sync {
    fn state(&self) -> &Arc<PoolState>;
    /// The number of connections that are open or being opened.
    fn size(&self) -> u32;
    /// The number of idle ones among them.
    fn idle(&self) -> u32;
    fn is_closed(&self) -> bool;
    /// How many connections it has opened and closed; `None` if that is not known.
    fn connections(&self) -> Option<Counts> {
        let state = self.state();
        let used = || state.used(self.is_closed());
        state.connections.look(|| self.size(), used)
    }
    /// Where it leads now. This can change: the connect options of a pool can be replaced.
    fn endpoint(&self) -> Endpoint;
    /// A hash of what its connect options say now of the database and the session, without the password. Two pools with the
    /// same one could be one pool. `None` of a database in memory, and where this is not known.
    fn identity(&self) -> Option<u64>;
    /// The user as whom it connects now, if its database has users.
    fn user(&self) -> Option<String>;
    /// Connects once, beside the pool, and closes the connection again.
    fn connect(&self) -> BoxFuture<'static, Result<(), sqlx::Error>>;
}

/// Makes a pool known until [`unregister`].
pub(crate) fn register(pool: Weak<dyn ErasedPool>, id: u64) {
    POOLS.insert(id, pool);
}

/// Removes a pool that [`register`] made known.
pub(crate) fn unregister(id: u64) {
    POOLS.remove(&id);
}

/// The number of pools that are known.
pub(crate) fn number() -> usize {
    POOLS.len()
}

/// The pool of this id, while it is alive.
pub(crate) fn find(id: u64) -> Option<Arc<dyn ErasedPool>> {
    let pool = POOLS.get(&id)?.value().clone();
    pool.upgrade()
}

/// Every pool that is alive, in the order in which they were made.
pub(crate) fn all() -> Vec<Arc<dyn ErasedPool>> {
    // Upgraded after the unlock: dropping the last reference to a pool comes back to this map.
    let weak: Vec<_> = POOLS.iter().map(|entry| entry.value().clone()).collect();
    let mut pools: Vec<_> = weak.iter().filter_map(Weak::upgrade).collect();
    pools.sort_by_key(|pool| pool.state().id());
    pools
}
