//! Whether each pool serves those who ask.
//!
//! Decided from what acquires have shown: nothing is asked of a pool or of a database for it.

use std::sync::Arc;
use std::time::Instant;

mod facts;

use crate::config;
use crate::handle::{Handle, live};
use crate::lint;
use crate::pool_state::registry::{self, ErasedPool};
use crate::snapshot::Health;
use facts::Facts;

/// Of the pools that are waited for, it is asked of this many why: each answer looks at everything that is alive.
const DIAGNOSED: usize = 20;

/// Returns whether each pool serves those who ask: for a readiness check. See [`guide::health`](crate::leash::guide::health).
///
/// It takes no permit and asks no database, so it answers at once, also while a pool is dry, the database is gone, or the async
/// runtime stands still. What it says rests on the acquires of the program itself.
///
/// The cost is a walk over the live handles, and one more for each pool that is waited for, up to 20.
pub fn health() -> Health {
    if config::is_off() {
        return Health::unknown("sqlx-leash is switched off: nothing is tracked");
    }
    let (now, claims) = (Instant::now(), live::all());
    let mut diagnoses = DIAGNOSED;
    let pools = registry::all();
    let of_pool = |pool: &Arc<dyn ErasedPool>| {
        let of = pool.state().id();
        let mut waiters = claims.iter().filter(|it| it.is_waiting());
        if let Some(oldest) = waiters.find(|it| it.pool.id() == of) {
            look_at(oldest, &mut diagnoses, now);
        }
        let claims = claims.iter().filter(|claim| claim.pool.id() == of);
        Facts::of(&**pool, claims).read(pool.state(), now)
    };
    Health::of(pools.iter().map(of_pool).collect())
}

/// Notes what an acquire that still waits shows about its pool.
fn look_at(waiter: &Handle, diagnoses: &mut usize, now: Instant) {
    let asks = *diagnoses > 0;
    *diagnoses -= usize::from(asks);
    let so_far = asks.then(|| lint::diagnosis_so_far(waiter, now)).flatten();
    if so_far.is_some() || waiter.has_waited(now) >= waiter.pool.limits.long_wait() {
        waiter.note_unserved(so_far.as_ref(), now);
    }
}
