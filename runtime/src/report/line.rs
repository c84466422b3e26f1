//! A pool or a call site in one line.

use crate::measure::units::{count, short};
use crate::snapshot::{PoolStats, SiteStats};

/// The state of a pool in one line.
pub(super) fn pool_line(pool: &PoolStats) -> String {
    let mut line = format!(
        "pool {} holds {} of {}",
        pool.name,
        pool.handles,
        count(u64::from(pool.max_connections), "permit")
    );
    if pool.reserved > 0 {
        line += &format!(" ({} reserved)", pool.reserved);
    }
    line += &format!(
        ", {} open, {} idle, {} waiting; {} acquired, wait p50 {} p99 {}",
        pool.size,
        pool.idle,
        pool.waiting,
        pool.acquired,
        short(pool.wait.p50()),
        short(pool.wait.p99()),
    );
    for (number, noun) in [
        (pool.timeouts, "timeout"),
        (pool.acquire_errors, "acquire error"),
        (pool.abandoned, "abandoned wait"),
        (pool.detached, "detached connection"),
        (pool.leaked, "leaked connection"),
    ] {
        if number > 0 {
            line += &format!(", {}", count(number, noun));
        }
    }
    if pool.lent {
        line += ", lent to plain sqlx";
    }
    if pool.closed {
        line += ", closed";
    }
    line
}

/// The counters of a call site in one line.
pub(super) fn site_line(site: &SiteStats) -> String {
    let mut line = format!("{}: {}", site.summary, count(site.calls, "call"));
    if site.saved > 0 {
        line += &format!(" and {} saved", site.saved);
    }
    line + &format!(
        ", p50 {} p95 {} p99 {}",
        short(site.time.p50()),
        short(site.time.p95()),
        short(site.time.p99())
    )
}

/// The place of a row of counters.
pub(super) fn place_of(site: &SiteStats) -> String {
    match &site.file {
        Some(file) => format!("{file}:{}:{}", site.line, site.column),
        None => "(not tracked)".to_owned(),
    }
}
