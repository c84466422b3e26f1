//! What happens once a process and once a pool: the environment is read, a pool is registered, used first, closed, gone.

use std::sync::Weak;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::config;
use crate::log;
use crate::pool_state::PoolState;
use crate::pool_state::closing::{Closing, ClosingGuard};
use crate::pool_state::registry::{self, ErasedPool};
use crate::scope::context;
use crate::site::Site;
use crate::source::place::Place;
use crate::watchdog::{self, pace};

/// Whether everything is switched off at run time. The first call reads the environment: in a program without a pool that
/// is the first statement's.
#[inline]
pub(crate) fn is_off() -> bool {
    if !config::is_loaded() {
        load();
    }
    config::is_off()
}

/// Reads the environment, if that was not done yet, and reports what is wrong with it.
#[cold]
pub(crate) fn load() {
    if let Some(error) = config::load() {
        log::configuration(&error);
    }
}

/// A pool is known from now on, and there is a watchdog.
pub(crate) fn pool_made(pool: Weak<dyn ErasedPool>, id: u64) {
    registry::register(pool, id);
    watchdog::start();
}

/// Ends what [`pool_made`] began.
pub(crate) fn pool_gone(id: u64) {
    registry::unregister(id);
    // With the last pool and its last handle goes the watchdog.
    if registry::number() == 0 {
        pace::wake();
    }
}

/// A pool is used, perhaps for the first time: then it has its name, and is introduced.
#[inline]
pub(crate) fn pool_used(pool: &PoolState) {
    // No `Once`: a subscriber may use a pool of its own, and come back here.
    static INTRODUCED: AtomicBool = AtomicBool::new(false);
    if pool.is_first_use() && !config::is_off() {
        if !INTRODUCED.swap(true, Relaxed) {
            log::process_started();
        }
        log::pool_started(pool);
    }
}

/// A call begins to wait for the pool to close, at `caller` unless a call site is being polled.
pub(crate) fn closing_begins(pool: &PoolState, caller: Place) -> ClosingGuard {
    let place = context::site().map_or(caller, Site::place);
    let collector = context::scope().and_then(|scope| scope.collector().cloned());
    let waits = pool.closings.begin(Closing::new(place, collector));
    pace::wake();
    waits
}
