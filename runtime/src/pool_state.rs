//! The state of a pool, whatever its database.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use once_cell::sync::{Lazy, OnceCell};
use rustc_hash::FxBuildHasher;
use sqlx::Error;

use crate::measure::units::nanos;
use crate::site::tally::{Outcome, Tally};
use crate::source::place::Place;
use crate::sync;

pub(crate) mod aftermath;
pub(crate) mod closing;
pub(crate) mod connect_probe;
pub(crate) mod connections;
pub(crate) mod counters;
mod demand;
pub(crate) mod endpoint;
pub(crate) mod episode;
pub(crate) mod full_server;
pub(crate) mod holders;
pub(crate) mod in_memory;
mod labels;
pub(crate) mod newcomers;
pub(crate) mod openers;
pub(crate) mod operations;
mod permits;
pub(crate) mod read;
pub(crate) mod registry;
mod renewed;
pub(crate) mod service;
mod too_long;

use closing::Closings;
use connect_probe::ConnectProbes;
use connections::{Connections, Use};
use counters::PoolCounters;
use demand::Demand;
use endpoint::{Endpoint, Hooks, Limits, System};
use episode::Episodes;
use holders::Holders;
use labels::Named;
use openers::Openers;
use operations::Operations;
use permits::Permits;
use renewed::Renewed;
use service::{Attempt, Refusal, Service, Shows};
use too_long::TooLong;

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// The state of one pool.
#[derive(Debug)]
pub(crate) struct PoolState {
    id: u64,
    named: RwLock<Named>,
    pub(crate) endpoint: Endpoint,
    pub(crate) connected: Place,
    pub(crate) made: Instant,
    /// A hash of the name of the thread that made it.
    pub(crate) thread: u64,
    pub(crate) limits: Limits,
    /// Where the pool was first handed to plain sqlx, if it was.
    lent: OnceCell<Place>,
    /// Whether it was made from a pool of plain sqlx, of which other code may have clones.
    shared: AtomicBool,
    /// Whether the pool was used.
    used: AtomicBool,
    pub(crate) permits: Permits,
    pub(crate) counters: PoolCounters,
    pub(crate) operations: Operations,
    /// Shared with the hooks of the pool, which exist before it does.
    pub(crate) connections: Arc<Connections>,
    /// For whose acquires it has opened connections lately.
    pub(crate) openers: Openers,
    /// The last connect that was made beside a waiting acquire.
    pub(crate) probes: ConnectProbes,
    /// The present episode of timeouts, if there is one.
    pub(crate) episodes: Episodes,
    /// The calls that wait for the pool to close.
    pub(crate) closings: Arc<Closings>,
    /// Whether it serves those who ask.
    pub(crate) service: Service,
    /// The longest statement that took longer than `acquire_timeout`.
    pub(crate) too_long: TooLong,
    /// What every holder of a connection may set anew.
    pub(crate) renewed: Renewed,
    pub(crate) demand: Demand,
    /// Who was last seen to hold its permits.
    pub(crate) holders: Holders,
    /// Whether it stands for connections that belong to no pool.
    is_none: bool,
}

impl PoolState {
    #[cfg(test)]
    pub(crate) fn for_tests(max_connections: u32) -> Arc<Self> {
        let limits = Limits::for_tests(max_connections);
        Self::new(Endpoint::default(), Place::UNKNOWN, limits, Arc::default())
    }

    pub(crate) fn new(
        endpoint: Endpoint,
        connected: Place,
        limits: Limits,
        connections: Arc<Connections>,
    ) -> Arc<Self> {
        let named = Named::take(endpoint.to_string().into());
        Arc::new(Self::build(named, endpoint, connected, limits, connections))
    }

    fn build(
        named: Named,
        endpoint: Endpoint,
        connected: Place,
        limits: Limits,
        connections: Arc<Connections>,
    ) -> Self {
        Self {
            id: NEXT_ID.fetch_add(1, Relaxed),
            named: RwLock::new(named),
            endpoint,
            connected,
            made: Instant::now(),
            thread: FxBuildHasher.hash_one(std::thread::current().name()),
            limits,
            lent: OnceCell::new(),
            shared: AtomicBool::new(false),
            used: AtomicBool::new(false),
            permits: Permits::default(),
            openers: Openers::default(),
            probes: ConnectProbes::default(),
            episodes: Episodes::default(),
            closings: Arc::default(),
            service: Service::default(),
            too_long: TooLong::default(),
            renewed: Renewed::default(),
            demand: Demand::new(),
            holders: Holders::default(),
            counters: PoolCounters::new(),
            operations: Operations::new(),
            connections,
            is_none: false,
        }
    }

    /// Stands for the pool of connections that belong to none. It is not registered, and nothing is read from it.
    pub(crate) fn none(system: System) -> Arc<Self> {
        static NONE: Lazy<[Arc<PoolState>; 4]> = Lazy::new(|| {
            System::ALL.map(|system| {
                let endpoint = Endpoint {
                    system,
                    ..Endpoint::default()
                };
                let limits = Limits {
                    max_connections: 0,
                    min_connections: 0,
                    acquire_timeout: Duration::MAX,
                    idle_timeout: None,
                    max_lifetime: None,
                    sets_idle_timeout: false,
                    tests_before_acquire: false,
                    hooks: Hooks::Unknown,
                };
                let named = Named::apart(endpoint.to_string().into());
                Arc::new(PoolState {
                    is_none: true,
                    ..PoolState::build(named, endpoint, Place::UNKNOWN, limits, Arc::default())
                })
            })
        });
        let mut all = System::ALL.iter().zip(NONE.iter());
        let (_, none) = all
            .find(|(of, _)| **of == system)
            .expect("BUG: `ALL` has every system");
        Arc::clone(none)
    }

    pub(crate) fn is_none(&self) -> bool {
        self.is_none
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn name(&self) -> Arc<str> {
        Arc::clone(&sync::read(&self.named).name)
    }

    /// The name, with a number where an older living pool has the same one: `main #2`. No two living pools have the same.
    pub(crate) fn label(&self) -> Arc<str> {
        Arc::clone(&sync::read(&self.named).label)
    }

    pub(crate) fn rename(&self, name: &str) {
        let mut named = sync::write(&self.named);
        if *named.name != *name {
            *named = Named::take(name.into());
        }
    }

    /// The pool ends, or another state takes its place. The next pool of its name may have its label.
    pub(crate) fn give_label_back(&self) {
        sync::write(&self.named).give_back();
    }

    /// Whether this is the first use of the pool. From then on its name is settled.
    #[inline]
    pub(crate) fn is_first_use(&self) -> bool {
        // No `Once`: the caller then emits an event, whose subscriber may use this pool and come back here.
        !self.used.load(Relaxed) && !self.used.swap(true, Relaxed)
    }

    /// Records that the pool was handed to plain sqlx at `place`.
    pub(crate) fn lend(&self, place: Place) {
        let _ = self.lent.set(place);
    }

    /// Where the pool was first handed to plain sqlx. Permits that plain sqlx takes from then on are not seen.
    pub(crate) fn lent_at(&self) -> Option<Place> {
        self.lent.get().copied()
    }

    /// Records a statement that has ended.
    #[inline]
    pub(crate) fn note_end(
        &self,
        tally: &'static Tally,
        outcome: Outcome,
        time: Duration,
        rows: u64,
    ) {
        let operations = &self.operations;
        operations.count(tally.operation, outcome, nanos(time), rows);
        if time > self.limits.acquire_timeout {
            self.too_long.note(tally, time);
        }
    }

    /// Records that the pool was made from a pool of plain sqlx.
    pub(crate) fn share(&self) {
        self.shared.store(true, Relaxed);
    }

    /// Whether other code may have the plain pool without having taken it from this one.
    pub(crate) fn is_shared(&self) -> bool {
        self.shared.load(Relaxed)
    }

    /// The number of permits that known handles hold now.
    pub(crate) fn held(&self) -> u64 {
        self.permits.held()
    }

    /// The number of permits granted since the pool was made.
    pub(crate) fn granted(&self) -> u64 {
        self.counters.waits.count()
    }

    /// How the pool was used so far. `is_closed` is whether it is closed.
    pub(crate) fn used(&self, is_closed: bool) -> Use {
        let (waiting, failed) = (self.permits.waiting(), self.counters.failed());
        let turns = self.granted() + failed + waiting + self.counters.holds.ended();
        Use {
            turns: self.lent_at().is_none().then_some(turns),
            is_under_way: waiting + self.permits.returning() > 0,
            is_closed,
        }
    }

    /// Whether handles are known to leave a permit free. Not known of a pool that plain sqlx has as well.
    pub(crate) fn has_free_permits(&self) -> bool {
        let max = u64::from(self.limits.max_connections);
        let sees_all = self.lent_at().is_none() && !self.is_shared();
        sees_all && self.permits.taken() < max
    }

    /// Records that a connect which began at `asked`, beside a waiting acquire, has failed with `error`.
    pub(crate) fn note_failed_connect(&self, asked: Instant, granted_before: u64, error: &Error) {
        if let Some(refusal) = Refusal::of(error) {
            let attempt = Attempt {
                asked,
                granted_before,
                granted: self.granted(),
                shows: Shows::Failed(refusal),
            };
            self.service.unserved(attempt, Instant::now());
        }
    }

    /// Whether any permit is waited for, held or returning.
    pub(crate) fn is_used(&self) -> bool {
        self.permits.waiting() + self.permits.taken() > 0
    }

    /// Whether any permit is waited for.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.permits.waiting() > 0
    }

    /// Whether more permits are held and waited for than there were tasks so far. Otherwise there cannot be more tasks now.
    pub(crate) fn may_have_more_tasks(&self) -> bool {
        self.permits.held() + self.permits.waiting() > self.demand.tasks()
    }

    /// Whether more permits are waited for, held and returning than the pool has.
    ///
    /// The counters are read one after the other, so the answer may be wrong for a moment.
    pub(crate) fn may_be_short(&self) -> bool {
        let asked = self.permits.waiting() + self.permits.taken();
        asked > u64::from(self.limits.max_connections)
    }
}
