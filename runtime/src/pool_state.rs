//! What is known of a pool, whatever its database.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, RwLock};

use once_cell::sync::OnceCell;

use crate::source::place::Place;
use crate::sync;

pub(crate) mod closing;
pub(crate) mod connect_probe;
pub(crate) mod counters;
pub(crate) mod endpoint;
pub(crate) mod episode;
mod permits;
pub(crate) mod read;
pub(crate) mod registry;

use closing::Closings;
use connect_probe::ConnectProbes;
use counters::PoolCounters;
use endpoint::{Endpoint, Limits};
use episode::Episodes;
use permits::Permits;

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

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
    pub(crate) probes: ConnectProbes,
    /// The episode in which acquires time out.
    pub(crate) episodes: Episodes,
    /// Who waits for the pool to close.
    pub(crate) closings: Arc<Closings>,
    /// The most tasks seen taking permits at once.
    tasks: AtomicU64,
    /// The most permits that one task was seen to hold at once.
    nesting: AtomicU64,
}

impl PoolState {
    #[cfg(test)]
    pub(crate) fn for_tests(max_connections: u32) -> Arc<Self> {
        let limits = Limits {
            max_connections,
            min_connections: 0,
            acquire_timeout: std::time::Duration::from_secs(30),
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
            probes: ConnectProbes::default(),
            episodes: Episodes::default(),
            closings: Arc::default(),
            tasks: AtomicU64::new(0),
            nesting: AtomicU64::new(0),
            counters: PoolCounters::new(),
        })
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn name(&self) -> Arc<str> {
        Arc::clone(&sync::read(&self.name))
    }

    pub(crate) fn rename(&self, name: &str) {
        *sync::write(&self.name) = name.into();
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
}
