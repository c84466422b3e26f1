//! A pool or a call site in one line.

use crate::measure::units::{count, decimal, percent, short};
use crate::snapshot::{ConnectionStats, DemandStats, PoolStats, SiteStats};

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
    if pool.connections.is_none() {
        line += ", connections not counted";
    }
    if pool.lent {
        line += ", lent to plain sqlx";
    }
    if pool.closed {
        line += ", closed";
    }
    line
}

/// What a pool has opened and closed; `None` if that is nothing.
pub(super) fn connections_line(connections: &ConnectionStats) -> Option<String> {
    if connections.opened + connections.closed + connections.cut == 0 {
        return None;
    }
    let mut line = format!("{} opened", count(connections.opened, "connection"));
    if connections.connect.count > 0 {
        line += &format!(
            " (connect p50 {} p99 {})",
            short(connections.connect.p50()),
            short(connections.connect.p99())
        );
    }
    line += &format!(", {} closed", connections.closed);
    let by = connections.closed_by.parts();
    let by = by.iter().filter(|(number, _)| *number > 0);
    let by: Vec<_> = by.map(|(number, how)| format!("{number} {how}")).collect();
    if !by.is_empty() {
        line += &format!(": {}", by.join(", "));
    }
    if connections.cut > 0 {
        line += &format!(
            "; {} cut by acquire_timeout",
            count(connections.cut, "connect")
        );
    }
    if connections.wait_with_connect.count > 0 {
        line += &format!(
            "; wait with a connect p50 {} p99 {}, without p50 {} p99 {}",
            short(connections.wait_with_connect.p50()),
            short(connections.wait_with_connect.p99()),
            short(connections.wait_without_connect.p50()),
            short(connections.wait_without_connect.p99())
        );
    }
    Some(line)
}

/// What the users of a pool needed of it; `None` if it was not used.
pub(super) fn demand_line(demand: &DemandStats) -> Option<String> {
    if demand.asked == 0 && demand.held().is_zero() {
        return None;
    }
    let mut line = format!(
        "needed on average {} ({} acquires a second × {}, over {}), most held at once {}; tasks at once (Tn) {}, permits per task (Cm) {}, \
         free of deadlock from {} on; time held: {} busy, {} idle in hand",
        decimal(demand.needed()),
        decimal(demand.asked_per_second()),
        short(demand.mean_hold()),
        short(demand.over),
        demand.most_held,
        demand.tasks,
        demand.per_task,
        count(demand.deadlock_free_size(), "permit"),
        percent(demand.busy_share()),
        percent(demand.idle_share()),
    );
    // Less is nothing that a size depends on.
    if demand.lent_share() >= 0.01 {
        line += &format!(", {} lent to plain sqlx", percent(demand.lent_share()));
    }
    if !demand.reserved.is_zero() {
        line += &format!("; reserved for {}", short(demand.reserved));
    }
    Some(line)
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

/// Shortens `clinic::numbering::Numbering::take` to `Numbering::take`: the file's path shows the rest.
pub(crate) fn short_name(function: &str) -> &str {
    let mut parts = function.rmatch_indices("::").map(|(at, _)| at);
    match (parts.next(), parts.next()) {
        (Some(_), Some(before)) if !function.starts_with('<') => &function[before + 2..],
        _ => function,
    }
}
