//! The watchdog: one plain thread for the process, which finds what no query would notice.
//!
//! It starts with the first pool, and ends with the last pool and the last handle. While no handle is alive it sleeps until
//! it is woken; while handles are alive it looks once a second, and while an acquire waits for a permit, every 50 ms.

use std::sync::Mutex;
use std::time::Instant;

use crate::handle::live;
use crate::measure::freeze;
use crate::pool_state::registry;
use crate::{config, log, sync};

mod holds;
pub(crate) mod pace;
mod pass;
mod polls;

use pace::{CLOSELY, Next, SAMPLE, sleep_until};

/// Whether the thread runs.
static RUNS: Mutex<bool> = Mutex::new(false);

/// Starts the watchdog, if it does not run.
pub(crate) fn start() {
    if std::mem::replace(&mut *sync::lock(&RUNS), true) {
        return;
    }
    let thread = std::thread::Builder::new().name("sqlx-leash-watchdog".to_owned());
    if let Err(error) = thread.spawn(run) {
        *sync::lock(&RUNS) = false;
        log::no_thread("watchdog", &error);
    }
}

fn run() {
    let mut watch = pass::Watch::default();
    let mut next = Next::After(SAMPLE);
    while !nothing_is_left() {
        freeze::asleep(Instant::now(), next.interval());
        let woken = sleep_until(next);
        let now = Instant::now();
        if freeze::awake(now) {
            // The process stood still, so all times look too long: this pass is skipped.
            watch.forget_polls();
            continue;
        }
        next = if woken {
            // Wait one interval first: however often acquires ring the bell, they cost one pass per interval.
            Next::Closely(CLOSELY)
        } else if config::is_off() {
            Next::After(SAMPLE)
        } else {
            watch.pass(now)
        };
    }
}

/// Whether neither a pool nor a handle is left. Then this thread ends.
fn nothing_is_left() -> bool {
    let is_left = || registry::number() > 0 || live::size().0 > 0;
    if is_left() {
        return false;
    }
    let mut runs = sync::lock(&RUNS);
    // Another thread may have made a pool meanwhile, and have seen this thread still running.
    *runs = is_left();
    !*runs
}
