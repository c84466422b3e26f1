//! Who holds the permits of a pool while an acquire waits.

use std::sync::Arc;
use std::time::Instant;

use super::{Handle, live};
use crate::pool_state::holders::{MOST, Seen};

/// Handles that hold permits of the pool for which `waiter` waits: the oldest ones, at most [`MOST`].
///
/// The live map is walked at most every 10 ms for a pool, or for a wait that began after the last walk.
pub(crate) fn holders_for(waiter: &Handle) -> Vec<Arc<Handle>> {
    let pool = &waiter.pool;
    let now = Instant::now();
    if let Some(ids) = pool.holders.seen(waiter.asked, now) {
        let mut known = live::resolve(&ids);
        known.retain(|handle| handle.is_held());
        if !known.is_empty() {
            return known;
        }
    }
    let mut holders = live::of_pool(pool);
    holders.retain(|handle| handle.is_held());
    holders.truncate(MOST);
    let ids = holders.iter().map(|handle| handle.id).collect();
    pool.holders.note(Seen { when: now, ids });
    holders
}
