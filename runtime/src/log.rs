//! The events: statements, findings, pools, the periodic report. They are written from plain data; this module neither counts
//! nor decides.

use std::sync::Arc;
use std::time::Duration;

use tracing::level_filters::LevelFilter;
use tracing::{Level, Span, event, event_enabled};

use crate::config::ConfigError;
use crate::finding::Lint;
use crate::measure::units::{millis, short};
use crate::pool_state::PoolState;
use crate::pool_state::counters::Hold;
use crate::pool_state::endpoint::System;
use crate::scope::foreign;
use crate::site::tally::{Outcome, Tally};
use crate::snapshot::observed::error_type;
use crate::snapshot::{PoolStats, SiteStats};
use crate::source::function::Function;
use crate::source::place::Place;

pub(crate) mod finding;
pub(crate) mod print;
#[cfg(feature = "tower")]
pub(crate) mod request;
pub(crate) mod spans;

const QUERY: &str = "sqlx_leash::query";
const FINDING: &str = "sqlx_leash::finding";
const POOL: &str = "sqlx_leash::pool";
const SITES: &str = "sqlx_leash::sites";
const GENERAL: &str = "sqlx_leash";

/// A statement that has ended.
pub(crate) struct Query<'a> {
    pub(crate) tally: &'a Tally,
    pub(crate) system: System,
    pub(crate) pool: Option<&'a Arc<PoolState>>,
    pub(crate) outcome: Outcome,
    pub(crate) error: Option<&'a sqlx::Error>,
    pub(crate) time: Duration,
    pub(crate) rows: u64,
    pub(crate) affected: u64,
    /// The number of calls at its call site, this one included.
    pub(crate) calls: u64,
}

/// Emits an event; a panic of the subscriber ends here.
macro_rules! say {
    ($($event:tt)*) => {
        _ = foreign::subscriber(|| event!($($event)*))
    };
}

/// Whether a subscriber may take the events of statements. This comparison is all that a statement costs where none does.
#[inline]
pub(crate) fn takes_queries() -> bool {
    Level::DEBUG <= LevelFilter::current()
}

/// Emits one event at DEBUG for a statement.
pub(crate) fn query(query: &Query<'_>) {
    if takes_queries() {
        _ = foreign::subscriber(|| emit_query(query));
    }
}

#[cold]
fn emit_query(query: &Query<'_>) {
    if !event_enabled!(target: QUERY, Level::DEBUG) {
        return;
    }
    let place = query.tally.place();
    let function = place.and_then(|place| place.function).map(Function::name);
    let pool = query.pool.map(|pool| pool.label());
    let writes = query.tally.writes();
    event!(
        target: QUERY,
        Level::DEBUG,
        db.system.name = query.system.name(),
        db.query.summary = query.tally.summary,
        db.query.text = query.tally.sql(),
        db.namespace = query.pool.and_then(|pool| pool.endpoint.namespace.as_deref()),
        db.client.connection.pool.name = pool.as_deref(),
        db.response.returned_rows = (query.rows > 0 || !writes).then_some(query.rows),
        rows_affected = writes.then_some(query.affected),
        elapsed_ms = millis(query.time),
        calls = query.calls,
        code.function.name = function,
        code.file.path = place.map(|place| place.file),
        code.line.number = place.map(|place| place.line),
        error.r#type = query.error.map(error_type).as_deref().or((query.outcome == Outcome::Cancelled).then_some("cancelled")),
        "{}",
        query.tally.summary,
    );
}

/// Prints a finding on stderr, in a debug build where no subscriber takes it.
pub(crate) fn printed(text: &str) {
    // `eprintln!` panics where stderr is closed, which must not reach the program.
    _ = foreign::subscriber(|| eprintln!("{}", text.trim_end()));
}

/// An `on_finding` callback panicked; the panic hook has the message.
pub(crate) fn callback_panicked(lint: Lint) {
    say!(target: GENERAL, Level::ERROR, lint = lint.name(), "a callback of `on_finding` panicked");
}

/// Emits an event of the process, or prints it where no subscriber takes it.
macro_rules! say_or_print {
    ($level:expr, $word:literal, $text:expr) => {{
        let text = $text;
        let taken = foreign::subscriber(|| {
            let enabled = event_enabled!(target: GENERAL, $level);
            if enabled {
                event!(target: GENERAL, $level, "{text}");
            }
            enabled
        });
        if taken != Some(true) {
            printed(&format!("{}: {text}", $word));
        }
    }};
}

/// A configuration has mistakes; its correct entries apply. `source` names where it comes from.
pub(crate) fn configuration(source: &str, error: &ConfigError) {
    say_or_print!(
        Level::ERROR,
        "error",
        format!("{source}: {error}; the other entries apply")
    );
}

/// A handle that was reported as idle is released.
pub(crate) fn idle_handle_returned(place: Place, pool: &PoolState, span: &Span, hold: Hold) {
    let emit = || {
        event!(
            target: FINDING,
            Level::INFO,
            lint = Lint::HeldIdle.name(),
            db.client.connection.pool.name = &*pool.name(),
            code.function.name = place.function.map(Function::name),
            code.file.path = place.file,
            code.line.number = place.line,
            code.column.number = place.column,
            held_ms = millis(hold.total()),
            busy_ms = millis(hold.busy),
            idle_ms = millis(hold.idle),
            lent_ms = millis(hold.lent),
            "held_idle: the handle taken at {}:{}:{} was released after {}: {}",
            place.file,
            place.line,
            place.column,
            short(hold.total()),
            hold.split(),
        );
    };
    _ = foreign::subscriber(|| span.in_scope(emit));
}

/// A pool has recovered from what was reported.
pub(crate) fn pool_recovered(pool: &PoolState, how: &str) {
    say!(
        target: POOL,
        Level::INFO,
        db.client.connection.pool.name = &*pool.label(),
        "pool {} has recovered: {how}",
        pool.name()
    );
}

/// A connection was closed because its return took too long.
pub(crate) fn return_cut(place: Place, pool: &PoolState, limit: Duration) {
    say!(
        target: POOL,
        Level::WARN,
        db.client.connection.pool.name = &*pool.label(),
        code.file.path = place.file,
        code.line.number = place.line,
        limit_ms = millis(limit),
        "pool {}: a connection was closed, because its return took longer than {}; its permit is free again",
        pool.name(),
        short(limit)
    );
}

/// An observer has panicked for the first time; the panic hook has the message.
pub(crate) fn observer_panicked(observer: &str) {
    say!(target: GENERAL, Level::ERROR, "the observer {observer} panicked; its further panics are not logged");
}

/// A thread of the tracker could not be started.
pub(crate) fn no_thread(what: &str, error: &std::io::Error) {
    say!(target: GENERAL, Level::ERROR, error.message = %error, "the thread of the {what} could not be started");
}

/// The first line of a process that is tracked.
pub(crate) fn process_started() {
    say!(
        target: GENERAL,
        Level::INFO,
        version = env!("CARGO_PKG_VERSION"),
        build = if cfg!(debug_assertions) { "debug: certain findings panic" } else { "release: nothing panics" },
        "sqlx-leash tracks this process's pools"
    );
}

/// The live page is served. `exposed` is the reason for which everybody may read it.
#[cfg(feature = "board")]
pub(crate) fn board(address: std::net::SocketAddr, exposed: Option<&str>) {
    let (ip, port) = (address.ip().to_string(), address.port());
    match exposed {
        None => say!(
            target: GENERAL,
            Level::INFO,
            server.address = ip,
            server.port = port,
            "the live page is at http://{address}/"
        ),
        Some(reason) => say!(
            target: GENERAL,
            Level::WARN,
            server.address = ip,
            server.port = port,
            "the live page is at http://{address}/, for whoever reaches it, without a login: {reason}"
        ),
    }
}

/// The first line of a pool.
pub(crate) fn pool_started(pool: &PoolState) {
    say!(
        target: GENERAL,
        Level::INFO,
        db.system.name = pool.endpoint.system.name(),
        db.client.connection.pool.name = &*pool.label(),
        db.namespace = pool.endpoint.namespace,
        max_connections = pool.limits.max_connections,
        code.file.path = pool.connected.file,
        code.line.number = pool.connected.line,
        "pool tracked"
    );
}

/// What an interval added to a pool.
pub(crate) fn pool(pool: &PoolStats, line: &str) {
    say!(
        target: POOL,
        Level::INFO,
        db.client.connection.pool.name = pool.label,
        db.system.name = pool.system,
        interval_ms = millis(pool.demand.over),
        max_connections = pool.max_connections,
        size = pool.size,
        idle = pool.idle,
        held = pool.handles,
        reserved = pool.reserved,
        returning = pool.returning,
        waiting = pool.waiting,
        acquired = pool.acquired,
        timeouts = pool.timeouts,
        acquire_errors = pool.acquire_errors,
        abandoned = pool.abandoned,
        wait_p50_ms = millis(pool.wait.p50()),
        wait_p95_ms = millis(pool.wait.p95()),
        wait_p99_ms = millis(pool.wait.p99()),
        wait_max_ms = millis(pool.wait.max),
        opened = pool.connections.as_ref().map(|it| it.opened),
        closed = pool.connections.as_ref().map(|it| it.closed),
        needed = pool.demand.needed(),
        most_held = pool.demand.most_held,
        busy_share = pool.demand.busy_share(),
        idle_share = pool.demand.idle_share(),
        "{line}"
    );
}

/// The pools that were not used in an interval.
pub(crate) fn idle_pools(names: &[&str], interval: Duration) {
    say!(
        target: POOL,
        Level::INFO,
        pools = names.len(),
        interval_ms = millis(interval),
        "idle: {}",
        names.join(", ")
    );
}

/// What an interval added to a call site. `in_flight` of its statements run now.
pub(crate) fn site(site: &SiteStats, in_flight: u64, interval: Duration, line: &str) {
    say!(
        target: SITES,
        Level::INFO,
        db.query.summary = site.summary,
        db.client.connection.pool.name = site.pool.as_deref(),
        several_pools = site.several_pools.then_some(true),
        code.function.name = site.function.as_deref(),
        code.file.path = site.file.as_deref(),
        code.line.number = site.line,
        interval_ms = millis(interval),
        calls = site.calls,
        in_flight,
        saved = site.saved,
        errors = site.errors,
        cancelled = site.cancelled,
        rows_returned = site.rows_returned,
        rows_affected = site.rows_affected,
        total_ms = millis(site.time.total),
        p50_ms = millis(site.time.p50()),
        p95_ms = millis(site.time.p95()),
        p99_ms = millis(site.time.p99()),
        max_ms = millis(site.time.max),
        "{line}"
    );
}
