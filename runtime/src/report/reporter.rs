//! The periodic report.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::collect::snapshot;
use super::line::{connections_line, demand_line, pool_line, site_line};
use crate::snapshot::{SiteStats, Snapshot};
use crate::{config, log, sync};

/// The last snapshot that was reported; the next report shows the difference.
static LAST: Mutex<Option<Snapshot>> = Mutex::new(None);

/// Reports what happened since the last report, as events at INFO: a line for each pool at target `sqlx_leash::pool` (idle
/// pools share one line), a line for each call site at target `sqlx_leash::sites`.
pub fn report() {
    let now = snapshot();
    let earlier = sync::lock(&LAST).replace(now.clone());
    let interval = now.since(&earlier.unwrap_or_default());
    let (idle, busy): (Vec<_>, Vec<_>) = interval.pools.iter().partition(|pool| {
        pool.acquired == 0 && pool.timeouts == 0 && pool.handles == 0 && pool.waiting == 0
    });
    for pool in busy {
        let connections = pool.connections.as_ref().and_then(connections_line);
        let parts = [
            Some(pool_line(pool)),
            demand_line(&pool.demand),
            connections,
        ];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        log::pool(pool, &parts.join("; "));
    }
    if !idle.is_empty() {
        let names: Vec<_> = idle.iter().map(|pool| pool.label.as_str()).collect();
        log::idle_pools(&names, interval.over);
    }
    // The rows of an interval are some of those of now, in the same order.
    let mut all = now.sites.iter();
    for site in &interval.sites {
        let running = all.find(|it| it.is_same_row(site));
        let running = running.map_or(0, SiteStats::in_flight);
        log::site(site, running, interval.over, &site_line(site));
    }
}

/// Starts a thread that [reports](report) at an interval, 60 s unless configured, until the process ends. Further calls do
/// nothing.
pub fn spawn_reporter() {
    static SPAWNED: AtomicBool = AtomicBool::new(false);
    if SPAWNED.swap(true, Relaxed) {
        return;
    }
    let thread = std::thread::Builder::new().name("sqlx-leash-reporter".to_owned());
    let spawned = thread.spawn(|| {
        loop {
            // A configuration that is installed meanwhile may set another interval, which begins then.
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
