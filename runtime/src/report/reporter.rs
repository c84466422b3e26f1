//! The periodic report.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::collect::snapshot;
use super::line::{pool_line, site_line};
use crate::snapshot::Snapshot;
use crate::{config, log, sync};

/// What was reported last; the next report says what came since.
static LAST: Mutex<Option<Snapshot>> = Mutex::new(None);

/// Reports now what happened since the last report, as events at INFO: a line per pool at target `sqlx_leash::pool` (idle
/// pools share one), a line per call site at `sqlx_leash::sites`.
pub fn report() {
    let now = snapshot();
    let earlier = sync::lock(&LAST).replace(now.clone());
    let interval = now.since(&earlier.unwrap_or_default());
    let (idle, busy): (Vec<_>, Vec<_>) = interval.pools.iter().partition(|pool| {
        pool.acquired == 0 && pool.timeouts == 0 && pool.handles == 0 && pool.waiting == 0
    });
    for pool in busy {
        log::pool(pool, &pool_line(pool));
    }
    if !idle.is_empty() {
        let names: Vec<_> = idle.iter().map(|pool| pool.name.as_str()).collect();
        log::idle_pools(&names);
    }
    for site in &interval.sites {
        log::site(site, &site_line(site));
    }
}

/// Reports every `report` interval (60 s unless configured) from a thread of its own, until the process ends. Further calls
/// change nothing. See [`report`].
pub fn spawn_reporter() {
    static SPAWNED: AtomicBool = AtomicBool::new(false);
    if SPAWNED.swap(true, Relaxed) {
        return;
    }
    let thread = std::thread::Builder::new().name("sqlx-leash-reporter".to_owned());
    let spawned = thread.spawn(|| {
        loop {
            // Another configuration may set another interval, which begins anew.
            let is_over = !config::wait_for_installation(config::report_interval());
            if is_over && !config::is_off() {
                report();
            }
        }
    });
    if let Err(error) = spawned {
        SPAWNED.store(false, Relaxed);
        log::no_thread("reporter", &error);
    }
}
