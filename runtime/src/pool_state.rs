//! What is known of a pool, whatever its database.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock, Weak};

use dashmap::DashMap;
use once_cell::sync::Lazy;
use rustc_hash::FxBuildHasher;

use crate::histogram::Histogram;
use crate::site::Place;
use crate::snapshot::{ControlStats, PoolStats};

static NEXT_ID: AtomicU64 = AtomicU64::new(1);
static POOLS: Lazy<DashMap<u64, Weak<dyn Gauge>, FxBuildHasher>> = Lazy::new(DashMap::default);

/// Where a pool leads, without user or password.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// By OpenTelemetry: `postgresql`, `mysql`, `sqlite`.
    pub(crate) system: &'static str,
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
    pub(crate) max_connections: u32,
    lent: AtomicBool,
    used: AtomicBool,
    pub(crate) counters: PoolCounters,
}

/// Sums that only grow.
#[derive(Debug)]
pub(crate) struct PoolCounters {
    pub(crate) acquired: AtomicU64,
    pub(crate) timeouts: AtomicU64,
    pub(crate) acquire_errors: AtomicU64,
    pub(crate) abandoned: AtomicU64,
    pub(crate) detached: AtomicU64,
    pub(crate) leaked: AtomicU64,
    pub(crate) wait: Histogram,
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

/// How the permits of a pool are taken.
#[derive(Default)]
pub(crate) struct Occupancy {
    pub(crate) held: u64,
    pub(crate) reserved: u64,
    pub(crate) waiting: u64,
}

/// What a pool of some database says of itself.
pub(crate) trait Gauge: Send + Sync {
    fn state(&self) -> &Arc<PoolState>;
    /// Connections open or being opened.
    fn size(&self) -> u32;
    /// Those of them that nobody holds.
    fn idle(&self) -> u32;
    fn is_closed(&self) -> bool;
}

impl PoolState {
    pub(crate) fn new(endpoint: Endpoint, connected: Place, max_connections: u32) -> Arc<Self> {
        let name = endpoint.to_string().into();
        Arc::new(Self {
            id: NEXT_ID.fetch_add(1, Relaxed),
            name: RwLock::new(name),
            endpoint,
            connected,
            max_connections,
            lent: AtomicBool::new(false),
            used: AtomicBool::new(false),
            counters: PoolCounters {
                acquired: AtomicU64::new(0),
                timeouts: AtomicU64::new(0),
                acquire_errors: AtomicU64::new(0),
                abandoned: AtomicU64::new(0),
                detached: AtomicU64::new(0),
                leaked: AtomicU64::new(0),
                wait: Histogram::new(),
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

    pub(crate) fn lend(&self) {
        self.lent.store(true, Relaxed);
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

    pub(crate) fn read(&self, gauge: &dyn Gauge, occupancy: &Occupancy) -> PoolStats {
        let counters = &self.counters;
        PoolStats {
            id: self.id,
            name: self.name().to_string(),
            system: self.endpoint.system.to_owned(),
            site: self.connected.to_call_site(),
            max_connections: self.max_connections,
            size: gauge.size(),
            idle: gauge.idle(),
            handles: occupancy.held,
            reserved: occupancy.reserved,
            waiting: occupancy.waiting,
            lent: self.lent.load(Relaxed),
            closed: gauge.is_closed(),
            acquired: counters.acquired.load(Relaxed),
            timeouts: counters.timeouts.load(Relaxed),
            acquire_errors: counters.acquire_errors.load(Relaxed),
            abandoned: counters.abandoned.load(Relaxed),
            detached: counters.detached.load(Relaxed),
            leaked: counters.leaked.load(Relaxed),
            wait: counters.wait.read(),
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
}

/// Ends what [`register`] began.
pub(crate) fn unregister(id: u64) {
    POOLS.remove(&id);
}

/// Every pool that is alive, in the order in which they were made.
pub(crate) fn all() -> Vec<Arc<dyn Gauge>> {
    // A gauge is upgraded outside the shard's lock: dropping the last one comes back to this map.
    let weak: Vec<_> = POOLS.iter().map(|entry| entry.value().clone()).collect();
    let mut pools: Vec<_> = weak.iter().filter_map(Weak::upgrade).collect();
    pools.sort_by_key(|pool| pool.state().id());
    pools
}
