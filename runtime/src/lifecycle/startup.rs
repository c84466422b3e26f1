//! What happens once in a process (the environment is read) and once in a pool's life (it is registered, first used,
//! closed, dropped).

use std::sync::Weak;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::config;
use crate::log;
use crate::measure::begun;
use crate::observe;
use crate::pool_state::PoolState;
use crate::pool_state::closing::{Closing, ClosingGuard};
use crate::pool_state::newcomers::{self, Newcomer};
use crate::pool_state::registry::{self, ErasedPool};
use crate::scope::context;
use crate::site::Site;
use crate::source::place::Place;
use crate::watchdog::{self, pace};

/// Whether everything is switched off at run time.
///
/// The first call reads the environment. In a program without a pool, the first statement makes that call.
#[inline]
pub(crate) fn is_off() -> bool {
    if !config::is_loaded() {
        load();
    }
    config::is_off()
}

/// Reads the environment if that was not done yet, and logs once what is wrong in it.
#[cold]
pub(crate) fn load() {
    begun::begin();
    for (source, error) in config::load() {
        log::configuration(source, &error);
    }
    log::print::open();
}

/// Registers a pool, and starts the watchdog if it does not run.
pub(crate) fn pool_made(pool: Weak<dyn ErasedPool>, state: &PoolState) {
    registry::register(pool, state.id());
    watchdog::start();
    let rules = config::rules();
    let may_be_duplicate = registry::number() as u64 > rules.fewest_pools(state.connected.function);
    if may_be_duplicate && !config::is_off() {
        newcomers::note(Newcomer::now(state.id()));
        pace::pool_made();
    }
}

/// Unregisters a pool that is being dropped.
pub(crate) fn pool_gone(pool: &dyn ErasedPool) {
    let state = pool.state();
    registry::unregister(state.id());
    if observe::are_any() {
        tell_last(pool);
    }
    state.give_label_back();
    // The watchdog ends with the last pool and the last handle, and must wake to see that.
    if registry::number() == 0 {
        pace::wake();
    }
}

/// Tells observers what a pool that is being dropped has closed, and which connections go with it.
fn tell_last(pool: &dyn ErasedPool) {
    let state = pool.state();
    // Otherwise plain sqlx may have clones of the pool.
    if state.lent_at().is_none() && !state.is_shared() {
        state.connections.go_with_pool(pool.idle());
    }
    observe::look_at_connections(pool);
}

/// Called at each use of a pool.
///
/// The first use logs the pool's start line, because by then the pool has its name. The process's first pool logs the
/// process's start line before.
#[inline]
pub(crate) fn pool_used(pool: &PoolState) {
    if pool.is_first_use() && !config::is_off() {
        log_start(pool);
    }
}

#[cold]
fn log_start(pool: &PoolState) {
    // A `Once` would deadlock: the subscriber may use a pool itself, and so re-enter this function.
    static LOGGED: AtomicBool = AtomicBool::new(false);
    if !LOGGED.swap(true, Relaxed) {
        log::process_started();
    }
    log::pool_started(pool);
}

/// Records a call that waits for the pool to close, until the guard is dropped.
///
/// Its place is the call site that is being polled, else `caller`.
pub(crate) fn closing_begins(pool: &PoolState, caller: Place) -> ClosingGuard {
    let place = context::site().map_or(caller, Site::place);
    let collector = context::scope().and_then(|scope| scope.collector().cloned());
    let waits = pool.closings.begin(Closing::new(place, collector));
    pace::wake();
    waits
}
