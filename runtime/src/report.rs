//! What goes to the log: statements, findings, and the periodic report.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tracing::level_filters::LevelFilter;
use tracing::{Level, Span, event, event_enabled};

use crate::config::{self, ConfigError};
use crate::foreign;
use crate::handle::Handle;
use crate::leash::snapshot;
use crate::lint::{self, Finding, Lint};
use crate::pool_state::{Hold, PoolState};
use crate::site::Function;
use crate::snapshot::{PoolStats, SiteStats, Snapshot};
use crate::tally::{Outcome, Tally};
use crate::units::{count, short};

const QUERY: &str = "sqlx_leash::query";
const FINDING: &str = "sqlx_leash::finding";
const POOL: &str = "sqlx_leash::pool";
const SITES: &str = "sqlx_leash::sites";
const GENERAL: &str = "sqlx_leash";

/// A statement that has ended.
pub(crate) struct Query<'a> {
    pub(crate) tally: &'a Tally,
    pub(crate) system: &'static str,
    pub(crate) pool: Option<&'a Arc<PoolState>>,
    pub(crate) outcome: Outcome,
    pub(crate) error: Option<&'a sqlx::Error>,
    pub(crate) time: Duration,
    pub(crate) rows: u64,
    pub(crate) affected: u64,
    /// How many calls this one made at its call site.
    pub(crate) calls: u64,
}

/// An event, told in safety.
macro_rules! say {
    ($($event:tt)*) => {
        _ = foreign::subscriber(|| event!($($event)*))
    };
}

/// One event at DEBUG per statement.
#[inline]
pub(crate) fn query(query: &Query<'_>) {
    // Asks nobody, and is all that a statement costs where nobody listens.
    if Level::DEBUG <= LevelFilter::current() {
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
    let pool = query.pool.map(|pool| pool.name());
    let writes = query.tally.writes();
    event!(
        target: QUERY,
        Level::DEBUG,
        db.system.name = query.system,
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

/// Milliseconds, to the microsecond.
fn millis(duration: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "exact up to 285 years")]
    let micros = duration.as_micros() as f64;
    micros / 1e3
}

/// The database's own code where there is one, else the kind of error.
fn error_type(error: &sqlx::Error) -> String {
    if let sqlx::Error::Database(error) = error
        && let Some(code) = error.code()
    {
        return code.into_owned();
    }
    let debug = format!("{error:?}");
    debug
        .split(|c: char| !c.is_alphanumeric())
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// One event for a finding, inside `span`; `false` when nobody listens.
pub(crate) fn finding(finding: &Finding, span: &Span, text: &str) -> bool {
    macro_rules! emit {
        ($level:expr) => {{
            let enabled = event_enabled!(target: FINDING, $level);
            if enabled {
                event!(
                    target: FINDING,
                    $level,
                    lint = finding.lint.name(),
                    level = finding.level.name(),
                    certainty = %finding.certainty,
                    code.function.name = finding.function.as_deref(),
                    code.file.path = finding.primary.file,
                    code.line.number = finding.primary.line,
                    code.column.number = finding.primary.column,
                    db.client.connection.pool.name = finding.pool.as_deref(),
                    "{text}"
                );
            }
            enabled
        }};
    }
    let emit = || {
        if finding.level == lint::Level::Deny {
            emit!(Level::ERROR)
        } else {
            emit!(Level::WARN)
        }
    };
    foreign::subscriber(|| span.in_scope(emit)).unwrap_or(false)
}

/// A finding that nobody listens for, in a debug build.
pub(crate) fn printed(text: &str) {
    // Where nobody reads what is printed, that is no reason to panic.
    _ = foreign::subscriber(|| eprintln!("{}", text.trim_end()));
}

/// An `on_finding` callback panicked; the panic's own message has gone to the panic hook.
pub(crate) fn callback_panicked(lint: Lint) {
    say!(target: GENERAL, Level::ERROR, lint = lint.name(), "a callback of `on_finding` panicked");
}

/// The configuration of the environment is wrong; what is right of it applies.
pub(crate) fn configuration(error: &ConfigError) {
    let variable = config::VARIABLE;
    let told = foreign::subscriber(|| {
        let enabled = event_enabled!(target: GENERAL, Level::ERROR);
        if enabled {
            event!(target: GENERAL, Level::ERROR, "{variable}: {error}; the other entries apply");
        }
        enabled
    });
    if told != Some(true) {
        printed(&format!(
            "error: {variable}: {error}; the other entries apply"
        ));
    }
}

/// A handle that was told as idle is given back.
pub(crate) fn came_back(handle: &Handle, hold: Hold) {
    let place = handle.place;
    let tell = || {
        event!(
            target: FINDING,
            Level::INFO,
            lint = Lint::HeldIdle.name(),
            db.client.connection.pool.name = &*handle.pool.name(),
            code.function.name = place.function.map(Function::name),
            code.file.path = place.file,
            code.line.number = place.line,
            code.column.number = place.column,
            "held_idle: the handle taken at {}:{}:{} came back after {}: {}",
            place.file,
            place.line,
            place.column,
            short(hold.total()),
            hold.split(),
        );
    };
    _ = foreign::subscriber(|| handle.span.in_scope(tell));
}

/// A pool is as it should be again.
pub(crate) fn pool_recovered(pool: &PoolState, how: &str) {
    say!(
        target: POOL,
        Level::INFO,
        db.client.connection.pool.name = &*pool.name(),
        "pool {} has recovered: {how}",
        pool.name()
    );
}

/// The return of a connection took too long, and the connection was closed.
pub(crate) fn return_cut(handle: &Handle, limit: Duration) {
    handle.pool.counters.returns_cut.fetch_add(1, Relaxed);
    say!(
        target: POOL,
        Level::WARN,
        db.client.connection.pool.name = &*handle.pool.name(),
        code.file.path = handle.place.file,
        code.line.number = handle.place.line,
        "pool {}: a connection was closed, because its return took longer than {}; its permit is there again",
        handle.pool.name(),
        short(limit)
    );
}

/// A thread of ours could not be started.
pub(crate) fn no_thread(what: &str, error: &std::io::Error) {
    say!(target: GENERAL, Level::ERROR, %error, "no thread for the {what}");
}

/// One line per process and pool.
pub(crate) fn started(pool: &PoolState) {
    // No `Once`: a subscriber may use a pool of its own, and come back here.
    static PROCESS: AtomicBool = AtomicBool::new(false);
    if config::is_off() {
        return;
    }
    if !PROCESS.swap(true, Relaxed) {
        say!(
            target: GENERAL,
            Level::INFO,
            version = env!("CARGO_PKG_VERSION"),
            build = if cfg!(debug_assertions) { "debug: certain findings panic" } else { "release: nothing panics" },
            "sqlx-leash tracks this process's pools"
        );
    }
    say!(
        target: GENERAL,
        Level::INFO,
        db.system.name = pool.endpoint.system,
        db.client.connection.pool.name = &*pool.name(),
        db.namespace = pool.endpoint.namespace,
        max_connections = pool.limits.max_connections,
        code.file.path = pool.connected.file,
        code.line.number = pool.connected.line,
        "pool tracked"
    );
}

/// What was last reported, to tell what an interval added.
static LAST: Mutex<Option<Snapshot>> = Mutex::new(None);

/// Reports now what happened since the last report: a line per pool at target `sqlx_leash::pool` and per call site at
/// `sqlx_leash::sites`, at INFO.
pub(crate) fn report() {
    let now = snapshot();
    let earlier = LAST
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .replace(now.clone());
    let interval = now.since(&earlier.unwrap_or_default());
    let (idle, busy): (Vec<_>, Vec<_>) = interval.pools.iter().partition(|pool| {
        pool.acquired == 0 && pool.timeouts == 0 && pool.handles == 0 && pool.waiting == 0
    });
    for pool in busy {
        say!(
            target: POOL,
            Level::INFO,
            db.client.connection.pool.name = pool.name,
            max_connections = pool.max_connections,
            size = pool.size,
            idle = pool.idle,
            held = pool.handles,
            waiting = pool.waiting,
            acquired = pool.acquired,
            timeouts = pool.timeouts,
            "{}",
            pool_line(pool)
        );
    }
    if !idle.is_empty() {
        let names: Vec<_> = idle.iter().map(|pool| pool.name.as_str()).collect();
        say!(target: POOL, Level::INFO, pools = idle.len(), "idle: {}", names.join(", "));
    }
    for site in &interval.sites {
        say!(
            target: SITES,
            Level::INFO,
            db.query.summary = site.summary,
            code.function.name = site.function.as_deref(),
            code.file.path = site.file.as_deref(),
            code.line.number = site.line,
            calls = site.calls,
            errors = site.errors,
            cancelled = site.cancelled,
            p50_ms = millis(site.time.p50()),
            p95_ms = millis(site.time.p95()),
            p99_ms = millis(site.time.p99()),
            "{}",
            site_line(site)
        );
    }
}

/// The state of a pool in one line.
pub(crate) fn pool_line(pool: &PoolStats) -> String {
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

fn site_line(site: &SiteStats) -> String {
    format!(
        "{}: {}, p50 {} p95 {} p99 {}",
        site.summary,
        count(site.calls, "call"),
        short(site.time.p50()),
        short(site.time.p95()),
        short(site.time.p99())
    )
}

/// Set where the reporter's interval may have changed while it sleeps.
static INTERVAL: Mutex<bool> = Mutex::new(false);
static INTERVAL_SET: Condvar = Condvar::new();

/// A configuration was put in force.
pub(crate) fn interval_may_differ() {
    *INTERVAL.lock().unwrap_or_else(PoisonError::into_inner) = true;
    INTERVAL_SET.notify_all();
}

/// Sleeps for as long as an interval is; whether it came to its end, and was not set anew.
fn intervals_sleep() -> bool {
    let may_differ = INTERVAL.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut may_differ, slept) = INTERVAL_SET
        .wait_timeout_while(may_differ, config::report_interval(), |may_differ| {
            !*may_differ
        })
        .unwrap_or_else(PoisonError::into_inner);
    *may_differ = false;
    slept.timed_out()
}

/// Reports at an interval, from a thread of its own, until the process ends.
pub(crate) fn spawn_reporter() {
    static SPAWNED: AtomicBool = AtomicBool::new(false);
    if SPAWNED.swap(true, Relaxed) {
        return;
    }
    let thread = std::thread::Builder::new().name("sqlx-leash-reporter".to_owned());
    let spawned = thread.spawn(|| {
        loop {
            if intervals_sleep() && !config::is_off() {
                report();
            }
        }
    });
    if let Err(error) = spawned {
        SPAWNED.store(false, Relaxed);
        no_thread("reporter", &error);
    }
}

/// For the table: where a row of counters stands.
pub(crate) fn place_of(site: &SiteStats) -> String {
    match &site.file {
        Some(file) => format!("{file}:{}:{}", site.line, site.column),
        None => "(not tracked)".to_owned(),
    }
}
