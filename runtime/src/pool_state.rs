//! What is known of a pool, whatever its database.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use dashmap::DashMap;
use futures_core::future::BoxFuture;
use once_cell::sync::{Lazy, OnceCell};
use rustc_hash::FxBuildHasher;

use crate::pool_state::closing::Closings;
use crate::pool_state::dry::Dry;
use crate::pool_state::probe::Probes;
use crate::site::Place;
use crate::snapshot::{ControlStats, HoldStats, PoolStats};
use crate::units::{nanos, short};
use crate::waits::Waits;
use crate::watchdog;

pub(crate) mod closing;
pub(crate) mod dry;
pub(crate) mod probe;

static NEXT_ID: AtomicU64 = AtomicU64::new(1);
static POOLS: Lazy<DashMap<u64, Weak<dyn Gauge>, FxBuildHasher>> = Lazy::new(DashMap::default);

/// Where a pool leads, without user or password.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// By OpenTelemetry: `postgresql`, `mysql`, `sqlite`.
    pub(crate) system: &'static str,
    /// The driver's connection, as users name it.
    pub(crate) connection: &'static str,
    /// Host and port, or a file.
    pub(crate) address: String,
    /// The database.
    pub(crate) namespace: Option<String>,
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{}/{namespace}", self.address),
            None => f.write_str(&self.address),
        }
    }
}

/// One pool.
#[derive(Debug)]
pub(crate) struct PoolState {
    id: u64,
    name: RwLock<Arc<str>>,
    pub(crate) endpoint: Endpoint,
    pub(crate) connected: Place,
    pub(crate) limits: Limits,
    /// Where plain sqlx was given this pool first, if it was.
    lent: OnceCell<Place>,
    /// It was made from a pool of plain sqlx's, which others may have.
    shared: AtomicBool,
    used: AtomicBool,
    pub(crate) permits: Permits,
    pub(crate) counters: PoolCounters,
    /// What connects beside waiting acquires have shown.
    pub(crate) probes: Probes,
    /// The episode in which acquires time out.
    pub(crate) dry: Dry,
    /// Who waits for the pool to close.
    pub(crate) closings: Closings,
    /// The most tasks seen taking permits at once.
    tasks: AtomicU64,
    /// The most permits that one task was seen to hold at once.
    nesting: AtomicU64,
}

/// What its options say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) max_connections: u32,
    pub(crate) min_connections: u32,
    pub(crate) acquire_timeout: Duration,
}

/// How the permits are taken at this moment, as far as handles go.
#[derive(Debug, Default)]
pub(crate) struct Permits {
    waiting: AtomicU64,
    /// Those held in the lower half; in the upper half those given back by their holders, and not there again yet. In one,
    /// so that a permit is never seen in nobody's hands.
    taken: AtomicU64,
    /// Those of the held ones that are meant to live long.
    pub(crate) reserved: AtomicU64,
}

const ONE_HELD: u64 = 1;
const ONE_RETURNING: u64 = 1 << 32;

impl Permits {
    /// Somebody waits for one.
    pub(crate) fn wait(&self) {
        // `SeqCst` here and in `take`: see the watchdog's `somebody_asks`.
        self.waiting.fetch_add(1, SeqCst);
    }

    pub(crate) fn stop_waiting(&self) {
        self.waiting.fetch_sub(1, Relaxed);
    }

    pub(crate) fn take(&self) {
        self.taken.fetch_add(ONE_HELD, SeqCst);
    }

    /// One that is held ends.
    pub(crate) fn drop_held(&self) {
        self.taken.fetch_sub(ONE_HELD, Relaxed);
    }

    /// One that is held is on its way back.
    pub(crate) fn give_back(&self) {
        self.taken.fetch_add(ONE_RETURNING - ONE_HELD, Relaxed);
    }

    /// One is there again.
    pub(crate) fn returned(&self) {
        self.taken.fetch_sub(ONE_RETURNING, Relaxed);
    }

    pub(crate) fn waiting(&self) -> u64 {
        self.waiting.load(SeqCst)
    }

    pub(crate) fn held(&self) -> u64 {
        self.taken.load(SeqCst) % ONE_RETURNING
    }

    pub(crate) fn returning(&self) -> u64 {
        self.taken.load(SeqCst) / ONE_RETURNING
    }

    /// Held, or on their way back.
    pub(crate) fn taken(&self) -> u64 {
        let taken = self.taken.load(SeqCst);
        taken % ONE_RETURNING + taken / ONE_RETURNING
    }
}

/// How long permits were held, and with what. Sums over handles that have ended.
#[derive(Debug, Default)]
pub(crate) struct Holds {
    ended: AtomicU64,
    busy: AtomicU64,
    idle: AtomicU64,
    lent: AtomicU64,
}

/// How long one was.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hold {
    pub(crate) busy: Duration,
    pub(crate) idle: Duration,
    pub(crate) lent: Duration,
}

impl Hold {
    pub(crate) fn total(self) -> Duration {
        self.busy + self.idle + self.lent
    }

    /// With what it was spent.
    pub(crate) fn split(self) -> String {
        let mut split = format!(
            "{} with the database, {} without",
            short(self.busy),
            short(self.idle)
        );
        if !self.lent.is_zero() {
            split += &format!(", {} lent to plain sqlx", short(self.lent));
        }
        split
    }
}

impl Holds {
    pub(crate) fn add(&self, hold: Hold) {
        let parts = [
            (&self.busy, hold.busy),
            (&self.idle, hold.idle),
            (&self.lent, hold.lent),
        ];
        for (sum, part) in parts {
            if !part.is_zero() {
                sum.fetch_add(nanos(part), Relaxed);
            }
        }
        self.ended.fetch_add(1, Relaxed);
    }

    pub(crate) fn read(&self) -> HoldStats {
        let time = |nanos: &AtomicU64| Duration::from_nanos(nanos.load(Relaxed));
        HoldStats {
            ended: self.ended.load(Relaxed),
            busy: time(&self.busy),
            idle: time(&self.idle),
            lent: time(&self.lent),
        }
    }
}

/// Sums that only grow.
#[derive(Debug)]
pub(crate) struct PoolCounters {
    pub(crate) timeouts: AtomicU64,
    pub(crate) acquire_errors: AtomicU64,
    pub(crate) abandoned: AtomicU64,
    pub(crate) detached: AtomicU64,
    pub(crate) leaked: AtomicU64,
    /// Connections closed because their return took too long.
    pub(crate) returns_cut: AtomicU64,
    pub(crate) waits: Waits,
    pub(crate) holds: Holds,
    begins: AtomicU64,
    savepoints: AtomicU64,
    commits: AtomicU64,
    rollbacks: AtomicU64,
    implicit_rollbacks: AtomicU64,
    pings: AtomicU64,
    prepares: AtomicU64,
    describes: AtomicU64,
}

/// An operation that is no statement of the user's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    Begin,
    Savepoint,
    Commit,
    Rollback,
    ImplicitRollback,
    Ping,
    Prepare,
    Describe,
}

impl Control {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Control::Begin => "begin",
            Control::Savepoint => "savepoint",
            Control::Commit => "commit",
            Control::Rollback => "rollback",
            Control::ImplicitRollback => "implicit rollback",
            Control::Ping => "ping",
            Control::Prepare => "prepare",
            Control::Describe => "describe",
        }
    }

    /// Whether sqlx's MySQL driver, when this is given up, takes its answer for that to the next statement.
    pub(crate) fn is_answered_unseen(self) -> bool {
        matches!(self, Control::Ping | Control::Prepare | Control::Describe)
    }
}

/// What a pool of some database says of itself.
pub(crate) trait Gauge: Send + Sync {
    fn state(&self) -> &Arc<PoolState>;
    /// Connections open or being opened.
    fn size(&self) -> u32;
    /// Those of them that nobody holds.
    fn idle(&self) -> u32;
    fn is_closed(&self) -> bool;
    /// Where it leads now: a pool may be given other options.
    fn endpoint(&self) -> Endpoint;
    /// Connects once, beside the pool, and closes the connection again.
    fn connect(&self) -> BoxFuture<'static, Result<(), sqlx::Error>>;
}

impl PoolState {
    #[cfg(test)]
    pub(crate) fn for_tests(max_connections: u32) -> Arc<Self> {
        let limits = Limits {
            max_connections,
            min_connections: 0,
            acquire_timeout: Duration::from_secs(30),
        };
        Self::new(Endpoint::default(), Place::UNKNOWN, limits)
    }

    pub(crate) fn new(endpoint: Endpoint, connected: Place, limits: Limits) -> Arc<Self> {
        let name = endpoint.to_string().into();
        Arc::new(Self {
            id: NEXT_ID.fetch_add(1, Relaxed),
            name: RwLock::new(name),
            endpoint,
            connected,
            limits,
            lent: OnceCell::new(),
            shared: AtomicBool::new(false),
            used: AtomicBool::new(false),
            permits: Permits::default(),
            probes: Probes::default(),
            dry: Dry::default(),
            closings: Closings::default(),
            tasks: AtomicU64::new(0),
            nesting: AtomicU64::new(0),
            counters: PoolCounters {
                timeouts: AtomicU64::new(0),
                acquire_errors: AtomicU64::new(0),
                abandoned: AtomicU64::new(0),
                detached: AtomicU64::new(0),
                leaked: AtomicU64::new(0),
                returns_cut: AtomicU64::new(0),
                waits: Waits::new(),
                holds: Holds::default(),
                begins: AtomicU64::new(0),
                savepoints: AtomicU64::new(0),
                commits: AtomicU64::new(0),
                rollbacks: AtomicU64::new(0),
                implicit_rollbacks: AtomicU64::new(0),
                pings: AtomicU64::new(0),
                prepares: AtomicU64::new(0),
                describes: AtomicU64::new(0),
            },
        })
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn name(&self) -> Arc<str> {
        Arc::clone(&self.name.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn rename(&self, name: &str) {
        *self.name.write().unwrap_or_else(PoisonError::into_inner) = name.into();
    }

    /// Whether this is the first use of the pool. By then it has its name.
    pub(crate) fn is_first_use(&self) -> bool {
        // No `Once`: who is told so runs a subscriber, which may use this pool and come back here.
        !self.used.load(Relaxed) && !self.used.swap(true, Relaxed)
    }

    pub(crate) fn lend(&self, place: Place) {
        let _ = self.lent.set(place);
    }

    /// Where plain sqlx was given this pool first: what it takes from then on is not seen.
    pub(crate) fn lent_at(&self) -> Option<Place> {
        self.lent.get().copied()
    }

    /// So many tasks take permits now; gives the most ever seen.
    pub(crate) fn note_tasks(&self, tasks: u64) -> u64 {
        self.tasks.fetch_max(tasks, Relaxed).max(tasks)
    }

    /// One task holds so many permits now; gives the most ever seen.
    pub(crate) fn note_nesting(&self, permits: u64) -> u64 {
        self.nesting.fetch_max(permits, Relaxed).max(permits)
    }

    /// It is made from a pool of plain sqlx's.
    pub(crate) fn share(&self) {
        self.shared.store(true, Relaxed);
    }

    /// Whether somebody may have the plain pool without having been given it from here.
    pub(crate) fn is_shared(&self) -> bool {
        self.shared.load(Relaxed)
    }

    /// Permits that somebody who is known holds now.
    pub(crate) fn held(&self) -> u64 {
        self.permits.held()
    }

    /// Permits ever granted.
    pub(crate) fn granted(&self) -> u64 {
        self.counters.waits.count()
    }

    /// Whether anybody asks for, holds or gives back a permit.
    pub(crate) fn is_used(&self) -> bool {
        self.permits.waiting() + self.permits.taken() > 0
    }

    /// Whether anybody waits for a permit.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.permits.waiting() > 0
    }

    /// Whether more permits are asked for than there are, as far as can be told at a glance.
    pub(crate) fn may_be_short(&self) -> bool {
        let asked = self.permits.waiting() + self.permits.taken();
        asked > u64::from(self.limits.max_connections)
    }

    pub(crate) fn count(&self, control: Control) {
        let counters = &self.counters;
        match control {
            Control::Begin => &counters.begins,
            Control::Savepoint => &counters.savepoints,
            Control::Commit => &counters.commits,
            Control::Rollback => &counters.rollbacks,
            Control::ImplicitRollback => &counters.implicit_rollbacks,
            Control::Ping => &counters.pings,
            Control::Prepare => &counters.prepares,
            Control::Describe => &counters.describes,
        }
        .fetch_add(1, Relaxed);
    }

    pub(crate) fn read(&self, gauge: &dyn Gauge) -> PoolStats {
        let counters = &self.counters;
        let wait = counters.waits.read();
        PoolStats {
            id: self.id,
            name: self.name().to_string(),
            system: self.endpoint.system.to_owned(),
            site: self.connected.to_call_site(),
            max_connections: self.limits.max_connections,
            size: gauge.size(),
            idle: gauge.idle(),
            handles: self.held(),
            reserved: self.permits.reserved.load(Relaxed),
            returning: self.permits.returning(),
            waiting: self.permits.waiting(),
            lent: self.lent.get().is_some(),
            closed: gauge.is_closed(),
            acquired: wait.count,
            timeouts: counters.timeouts.load(Relaxed),
            acquire_errors: counters.acquire_errors.load(Relaxed),
            abandoned: counters.abandoned.load(Relaxed),
            detached: counters.detached.load(Relaxed),
            leaked: counters.leaked.load(Relaxed),
            returns_cut: counters.returns_cut.load(Relaxed),
            wait,
            holds: counters.holds.read(),
            control: ControlStats {
                begins: counters.begins.load(Relaxed),
                savepoints: counters.savepoints.load(Relaxed),
                commits: counters.commits.load(Relaxed),
                rollbacks: counters.rollbacks.load(Relaxed),
                implicit_rollbacks: counters.implicit_rollbacks.load(Relaxed),
                pings: counters.pings.load(Relaxed),
                prepares: counters.prepares.load(Relaxed),
                describes: counters.describes.load(Relaxed),
            },
        }
    }
}

/// Makes a pool known as long as it lives.
pub(crate) fn register(gauge: Weak<dyn Gauge>, id: u64) {
    POOLS.insert(id, gauge);
    watchdog::pool_made();
}

/// Ends what [`register`] began.
pub(crate) fn unregister(id: u64) {
    POOLS.remove(&id);
    watchdog::pool_gone();
}

/// How many pools there are.
pub(crate) fn number() -> usize {
    POOLS.len()
}

/// The pool of this number, while it is alive.
pub(crate) fn gauge(id: u64) -> Option<Arc<dyn Gauge>> {
    let gauge = POOLS.get(&id)?.value().clone();
    gauge.upgrade()
}

/// Every pool that is alive, in the order in which they were made.
pub(crate) fn all() -> Vec<Arc<dyn Gauge>> {
    // A gauge is upgraded outside the shard's lock: dropping the last one comes back to this map.
    let weak: Vec<_> = POOLS.iter().map(|entry| entry.value().clone()).collect();
    let mut pools: Vec<_> = weak.iter().filter_map(Weak::upgrade).collect();
    pools.sort_by_key(|pool| pool.state().id());
    pools
}
