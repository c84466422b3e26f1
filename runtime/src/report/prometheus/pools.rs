//! Pools: their connections, acquires and holds.

use super::exposition::{Exposition, Family, Kind};
use super::pool_name;
use crate::measure::bounds;
use crate::snapshot::{ClosedBy, ControlStats, PoolStats, Timing};

const COUNT: Family = gauge(
    "db_client_connection_count",
    "The number of connections that are currently in the state. Used ones include those that are being opened.",
);
const IDLE_MAX: Family = gauge(
    "db_client_connection_idle_max",
    "The maximum number of idle open connections allowed.",
);
const IDLE_MIN: Family = gauge(
    "db_client_connection_idle_min",
    "The minimum number of idle open connections allowed.",
);
const MAX: Family = gauge(
    "db_client_connection_max",
    "The maximum number of open connections allowed.",
);
const PENDING: Family = gauge(
    "db_client_connection_pending_requests",
    "The number of current pending requests for an open connection.",
);
const TIMEOUTS: Family = counter(
    "db_client_connection_timeouts_total",
    "The number of connection timeouts that have occurred trying to obtain a connection from the pool.",
);
const CREATE_TIME: Family = histogram(
    "db_client_connection_create_time_seconds",
    "The time it took to create a new connection, where that is known.",
);
const WAIT_TIME: Family = histogram(
    "db_client_connection_wait_time_seconds",
    "The time it took to obtain an open connection from the pool.",
);
const USE_TIME: Family = histogram(
    "db_client_connection_use_time_seconds",
    "The time between borrowing a connection and returning it to the pool, without handles that were meant to live long.",
);
const ACQUIRES: Family = counter(
    "sqlx_leash_acquires_total",
    "Acquires that have ended, by outcome.",
);
const HOLD: Family = counter(
    "sqlx_leash_hold_seconds_total",
    "Time for which handles that have ended held their permits, by what they did.",
);
const CONTROLS: Family = counter(
    "sqlx_leash_control_operations_total",
    "Operations that are no statements of the program's, such as begin and commit.",
);
const OPENED: Family = counter(
    "sqlx_leash_connections_opened_total",
    "Connections that the pool has opened.",
);
const CLOSED: Family = counter(
    "sqlx_leash_connections_closed_total",
    "Connections that the pool has opened and that were closed, by cause.",
);

pub(super) const fn gauge(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        kind: Kind::Gauge,
        help,
    }
}

pub(super) const fn counter(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        kind: Kind::Counter,
        help,
    }
}

const fn histogram(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        kind: Kind::Histogram,
        help,
    }
}

pub(super) fn write(exposition: &mut Exposition, pools: &[&PoolStats]) {
    write_connections(exposition, pools);
    write_times(exposition, pools);
    write_counts(exposition, pools);
}

fn write_connections(exposition: &mut Exposition, pools: &[&PoolStats]) {
    write_parts(
        exposition,
        COUNT,
        "db_client_connection_state",
        pools,
        |pool| {
            let used = u64::from(pool.size.saturating_sub(pool.idle));
            vec![("idle", u64::from(pool.idle)), ("used", used)]
        },
    );
    // sqlx sets no limit of its own to idle connections.
    write_each(exposition, IDLE_MAX, pools, |pool| {
        pool.max_connections.into()
    });
    write_each(exposition, IDLE_MIN, pools, |pool| {
        pool.min_connections.into()
    });
    write_each(exposition, MAX, pools, |pool| pool.max_connections.into());
    write_each(exposition, PENDING, pools, |pool| pool.waiting);
    write_each(exposition, TIMEOUTS, pools, |pool| pool.timeouts);
}

fn write_times(exposition: &mut Exposition, pools: &[&PoolStats]) {
    type Read = for<'a> fn(&'a PoolStats) -> Option<&'a Timing>;
    let families: [(Family, Read); 3] = [
        (CREATE_TIME, |pool| {
            pool.connections.as_ref().map(|it| &it.connect)
        }),
        (WAIT_TIME, |pool| Some(&pool.wait)),
        (USE_TIME, |pool| Some(&pool.holds.time)),
    ];
    for (family, read) in families {
        let mut series = exposition.family(family);
        for pool in pools {
            if let Some(timing) = read(pool) {
                let counts = bounds::fold(timing);
                series.times(&[pool_name(pool)], &counts, timing.total.as_secs_f64());
            }
        }
    }
}

fn write_counts(exposition: &mut Exposition, pools: &[&PoolStats]) {
    write_parts(exposition, ACQUIRES, "outcome", pools, |pool| {
        vec![
            ("granted", pool.acquired),
            ("timeout", pool.timeouts),
            ("error", pool.acquire_errors),
            ("abandoned", pool.abandoned),
        ]
    });
    let mut series = exposition.family(HOLD);
    for pool in pools {
        let holds = &pool.holds;
        for (activity, time) in [
            ("busy", holds.busy),
            ("idle", holds.idle),
            ("lent", holds.lent),
        ] {
            series.value(
                &[pool_name(pool), ("activity", activity)],
                time.as_secs_f64(),
            );
        }
    }
    write_parts(exposition, CONTROLS, "operation", pools, |pool| {
        controls(pool.control)
    });
    let mut series = exposition.family(OPENED);
    for pool in pools {
        if let Some(connections) = &pool.connections {
            series.value(&[pool_name(pool)], connections.opened);
        }
    }
    write_parts(exposition, CLOSED, "cause", pools, |pool| {
        let closed = pool.connections.as_ref().map(|it| causes(it.closed_by));
        closed.unwrap_or_default()
    });
}

fn controls(control: ControlStats) -> Vec<(&'static str, u64)> {
    vec![
        ("begin", control.begins),
        ("savepoint", control.savepoints),
        ("commit", control.commits),
        ("rollback", control.rollbacks),
        ("implicit_rollback", control.implicit_rollbacks),
        ("ping", control.pings),
        ("prepare", control.prepares),
        ("describe", control.describes),
    ]
}

fn causes(closed: ClosedBy) -> Vec<(&'static str, u64)> {
    vec![
        ("program", closed.program),
        ("hook", closed.hook),
        ("cancelled", closed.cancelled),
        ("acquire_over", closed.acquire_over),
        ("max_lifetime", closed.max_lifetime),
        ("idle_timeout", closed.idle_timeout),
        ("elsewhere", closed.elsewhere),
    ]
}

/// Writes one number of each pool.
fn write_each(
    exposition: &mut Exposition,
    family: Family,
    pools: &[&PoolStats],
    read: fn(&PoolStats) -> u64,
) {
    let mut series = exposition.family(family);
    for pool in pools {
        series.value(&[pool_name(pool)], read(pool));
    }
}

/// Writes several numbers of each pool, which differ in the label `by`.
fn write_parts(
    exposition: &mut Exposition,
    family: Family,
    by: &'static str,
    pools: &[&PoolStats],
    read: fn(&PoolStats) -> Vec<(&'static str, u64)>,
) {
    let mut series = exposition.family(family);
    for pool in pools {
        for (part, number) in read(pool) {
            series.value(&[pool_name(pool), (by, part)], number);
        }
    }
}
