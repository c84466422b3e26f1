//! Tells the program's observers what has ended.
//!
//! Observers are kept in a list that only grows, so that a call takes no lock and allocates nothing.

use std::any;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use once_cell::sync::OnceCell;
use sqlx::Error;

use crate::finding::Finding;
use crate::log;
use crate::pool_state::PoolState;
use crate::pool_state::connections::{Opening, Untold};
use crate::pool_state::counters::Hold;
use crate::pool_state::registry::{self, ErasedPool};
use crate::scope::foreign::{self, Panicked};
use crate::site::tally::Outcome;
use crate::snapshot::ClosedBy;
use crate::snapshot::observed::{
    self, CloseCause, Observer, Site, Statement, StatementOutcome, Wait, WaitOutcome,
};
use crate::source::function::Function;
use crate::source::place::Place;

/// Read at each end, so that a program without an observer pays nothing more.
static ARE_ANY: AtomicBool = AtomicBool::new(false);
static FIRST: Link = Link::new();

type Link = OnceCell<Box<Registered>>;

struct Registered {
    observer: Box<dyn Observer>,
    /// The name of its type.
    name: &'static str,
    has_panicked: AtomicBool,
    next: Link,
}

/// Tells `observer` what ends from now on: statements, waits for a permit, holds of one, connections, and findings.
///
/// The observer stays for the rest of the process, and there may be several. It runs on the thread on which something
/// ended, outside of all scopes: its statements and handles belong to no function, and are told to no observer. A panic in
/// it is caught, and the first one is logged. A connection is told when it is known of: one that an acquire has opened when
/// that has its permit; another one, and one that was closed, within about a second, or when a snapshot is taken.
///
/// The cost is one call of each observer for a statement, and three for one that is sent to the pool itself, which is a wait
/// and a hold as well. The tracker allocates nothing for it.
///
/// # Locking
///
/// No lock is held while an observer runs. Its thread may be the watchdog's, or one that holds the permit that the observer
/// would wait for: to use a pool, spawn a task. What that task sends is told to the observer.
pub fn observe(observer: impl Observer) {
    // What was opened and closed until now is nothing that the new one is told.
    all_connections();
    add(any::type_name_of_val(&observer), Box::new(observer));
}

fn add(name: &'static str, observer: Box<dyn Observer>) {
    let mut registered = Box::new(Registered {
        observer,
        name,
        has_panicked: AtomicBool::new(false),
        next: Link::new(),
    });
    let mut link = &FIRST;
    // Another thread may take the end of the list first.
    while let Err((taken, refused)) = link.try_insert(registered) {
        (link, registered) = (&taken.next, refused);
    }
    ARE_ANY.store(true, Relaxed);
}

/// Whether an observer is registered.
#[inline]
pub(crate) fn are_any() -> bool {
    ARE_ANY.load(Relaxed)
}

fn tell(call: impl Fn(&dyn Observer)) {
    let mut link = &FIRST;
    while let Some(registered) = link.get() {
        let told = foreign::observer(|| call(&*registered.observer));
        if let Err(Panicked) = told
            && !registered.has_panicked.swap(true, Relaxed)
        {
            log::observer_panicked(registered.name);
        }
        link = &registered.next;
    }
}

/// A statement that has ended.
pub(crate) struct StatementEnd<'a> {
    pub(crate) query: &'a log::Query<'a>,
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
}

#[inline]
pub(crate) fn statement(end: &StatementEnd<'_>) {
    if are_any() {
        tell_statement(end);
    }
}

fn tell_statement(
    StatementEnd {
        query,
        began,
        ended,
    }: &StatementEnd<'_>,
) {
    let label = query.pool.map(|pool| pool.label());
    let pool = query.pool.zip(label.as_deref());
    let statement = Statement {
        operation: query.tally.operation.name(),
        summary: &query.tally.summary,
        text: query.tally.sql(),
        site: query.tally.place().map(site),
        pool: pool.map(|(pool, label)| labelled(pool, label)),
        system: query.system.name(),
        outcome: match query.outcome {
            Outcome::Ok => StatementOutcome::Ok,
            Outcome::Error => StatementOutcome::Error,
            Outcome::Cancelled => StatementOutcome::Cancelled,
        },
        began: *began,
        ended: *ended,
        time: query.time,
        rows_returned: query.rows,
        rows_affected: query.affected,
        error: query.error,
    };
    tell(|observer| observer.statement(&statement));
}

/// A wait for a permit that has ended.
pub(crate) struct WaitEnd<'a> {
    pub(crate) pool: &'a PoolState,
    pub(crate) place: Place,
    pub(crate) outcome: WaitOutcome,
    pub(crate) began: Instant,
    pub(crate) time: Duration,
    pub(crate) has_connected: bool,
    pub(crate) error: Option<&'a Error>,
}

/// Called where [`are_any`] holds, as all that follow.
pub(crate) fn wait(end: &WaitEnd<'_>) {
    let label = end.pool.label();
    let wait = Wait {
        pool: labelled(end.pool, &label),
        site: site(end.place),
        outcome: end.outcome,
        began: end.began,
        time: end.time,
        has_connected: end.has_connected,
        error: end.error,
    };
    tell(|observer| observer.wait(&wait));
}

/// A permit that was released.
pub(crate) struct HoldEnd<'a> {
    pub(crate) pool: &'a PoolState,
    pub(crate) place: Place,
    pub(crate) began: Instant,
    pub(crate) hold: Hold,
    pub(crate) statements: u64,
    pub(crate) reserved: Option<&'a str>,
}

pub(crate) fn hold(end: &HoldEnd<'_>) {
    let label = end.pool.label();
    let hold = observed::Hold {
        pool: labelled(end.pool, &label),
        site: site(end.place),
        began: end.began,
        busy: end.hold.busy,
        idle: end.hold.idle,
        lent: end.hold.lent,
        statements: end.statements,
        reserved: end.reserved,
    };
    tell(|observer| observer.hold(&hold));
}

/// Looks at the connections of a pool, and tells what was not told yet.
pub(crate) fn look_at_connections(pool: &dyn ErasedPool) {
    // `None`: not counted, or those of a pool that is being made, which tells them itself.
    if pool.connections().is_some() {
        connections(pool.state());
    }
}

/// Tells what is known of the connections of a pool and was not told yet.
pub(crate) fn connections(pool: &PoolState) {
    // An observer that looks at the pool leaves this to the next look, because it is told nothing meanwhile.
    if foreign::is_in_observer() {
        return;
    }
    let Untold {
        opened,
        openings,
        closed,
    } = pool.connections.take_untold();
    if opened + closed.total() == 0 {
        return;
    }
    let label = pool.label();
    let pool = labelled(pool, &label);
    let mut openings = openings.into_iter();
    for _ in 0..opened {
        let opening = openings.next();
        let opened = observed::Opened {
            pool,
            site: opening.map(|Opening { place, .. }| site(place)),
            time: opening.and_then(|opening| opening.time),
        };
        tell(|observer| observer.opened(&opened));
    }
    for (number, cause) in causes(closed) {
        for _ in 0..number {
            let closed = observed::Closed { pool, cause };
            tell(|observer| observer.closed(&closed));
        }
    }
}

/// The same for all pools that are alive.
pub(crate) fn all_connections() {
    for pool in registry::all() {
        look_at_connections(&*pool);
    }
}

fn causes(by: ClosedBy) -> [(u64, CloseCause); 7] {
    [
        (by.program, CloseCause::Program),
        (by.hook, CloseCause::Hook),
        (by.cancelled, CloseCause::Cancelled),
        (by.acquire_over, CloseCause::AcquireOver),
        (by.max_lifetime, CloseCause::MaxLifetime),
        (by.idle_timeout, CloseCause::IdleTimeout),
        (by.elsewhere, CloseCause::Elsewhere),
    ]
}

pub(crate) fn finding(finding: &Finding) {
    if are_any() {
        tell(|observer| observer.finding(finding));
    }
}

fn labelled<'a>(pool: &'a PoolState, label: &'a str) -> observed::PoolRef<'a> {
    observed::PoolRef {
        id: pool.id(),
        label,
        system: pool.endpoint.system.name(),
        namespace: pool.endpoint.namespace.as_deref(),
    }
}

fn site(place: Place) -> Site<'static> {
    Site {
        function: place.function.map(Function::name),
        file: place.file,
        line: place.line,
        column: place.column,
    }
}
