//! The live map: every claim on a pool permit, from the moment it begins to wait until the permit is given back.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use dashmap::DashMap;
use once_cell::sync::{Lazy, OnceCell};
use rustc_hash::FxBuildHasher;

use crate::context;
use crate::pool_state::{Control, PoolState};
use crate::scope::Scope;
use crate::site::{Function, Origin, Place};
use crate::snapshot::{Activity, HandleInfo, Operation, WaiterInfo};
use crate::tally::Tally;

/// A handle remembers this many operations.
const OPERATIONS: usize = 4;

static NEXT_ID: AtomicU64 = AtomicU64::new(1);
static LIVE: Lazy<DashMap<u64, Arc<Handle>, FxBuildHasher>> = Lazy::new(DashMap::default);

/// A claim on one permit of a pool: first waiting, then held.
pub(crate) struct Handle {
    id: u64,
    pub(crate) pool: Arc<PoolState>,
    /// Where it was asked for.
    pub(crate) place: Place,
    /// The span in which it was asked for: what is found out about it later belongs there.
    pub(crate) span: tracing::Span,
    task: Option<u64>,
    asked: Instant,
    state: Mutex<State>,
    owner: Mutex<Owner>,
    reserved: OnceCell<String>,
    /// Rows read from its open stream. A store per row; who wants to know when, looks twice.
    stream_rows: AtomicU64,
    /// The connection must not be used again: it may be in a state that sqlx does not know of.
    poisoned: AtomicBool,
}

struct State {
    /// `None` while it waits for its permit.
    held: Option<Instant>,
    activity: Activity,
    /// When `activity` began.
    since: Instant,
    transaction_depth: u32,
    statements: u64,
    operations: VecDeque<Done>,
}

enum What {
    Statement(Arc<Tally>),
    Control(Control, Option<Place>),
}

struct Done {
    what: What,
    when: Instant,
}

#[derive(Default)]
struct Owner {
    scope: Option<Arc<Scope>>,
    /// Functions that handed it up, innermost first.
    way: Vec<&'static Function>,
    released: bool,
}

/// A claim that still waits. Dropped before it is granted, the wait was abandoned.
pub(crate) struct Waiting {
    handle: Option<Arc<Handle>>,
}

/// A claim that holds its permit. Dropping it ends the handle.
pub(crate) struct Held {
    handle: Arc<Handle>,
}

/// An operation that is no statement, while it runs.
pub(crate) struct ControlGuard {
    handle: Arc<Handle>,
}

impl Drop for ControlGuard {
    fn drop(&mut self) {
        self.handle.become_idle(Instant::now());
    }
}

impl Waiting {
    /// Begins to wait for a permit of `pool`.
    pub(crate) fn new(pool: Arc<PoolState>, origin: Origin, task: Option<u64>) -> Self {
        pool.announce();
        let now = Instant::now();
        let handle = Arc::new(Handle {
            id: NEXT_ID.fetch_add(1, Relaxed),
            pool,
            place: origin.place(),
            span: tracing::Span::current(),
            task,
            asked: now,
            state: Mutex::new(State {
                held: None,
                activity: Activity::Idle,
                since: now,
                transaction_depth: 0,
                statements: 0,
                operations: VecDeque::new(),
            }),
            owner: Mutex::default(),
            reserved: OnceCell::new(),
            stream_rows: AtomicU64::new(0),
            poisoned: AtomicBool::new(false),
        });
        LIVE.insert(handle.id, Arc::clone(&handle));
        Self {
            handle: Some(handle),
        }
    }

    /// The permit is there; the handle belongs to the scope that is current now.
    pub(crate) fn granted(mut self) -> Held {
        let handle = self.handle.take().expect("BUG: a wait ends once");
        let now = Instant::now();
        {
            let mut state = handle.state();
            state.held = Some(now);
            state.since = now;
        }
        handle.pool.counters.acquired.fetch_add(1, Relaxed);
        handle.pool.counters.wait.record(now - handle.asked);
        if let Some(scope) = context::scope() {
            scope.adopt(Arc::clone(&handle));
            handle.owner().scope = Some(scope);
        }
        Held { handle }
    }

    /// There is no permit to be had.
    pub(crate) fn failed(mut self, error: &sqlx::Error) {
        let handle = self.handle.take().expect("BUG: a wait ends once");
        let counters = &handle.pool.counters;
        match error {
            sqlx::Error::PoolTimedOut => &counters.timeouts,
            _ => &counters.acquire_errors,
        }
        .fetch_add(1, Relaxed);
        LIVE.remove(&handle.id);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            handle.pool.counters.abandoned.fetch_add(1, Relaxed);
            LIVE.remove(&handle.id);
        }
    }
}

impl Held {
    pub(crate) fn handle(&self) -> &Arc<Handle> {
        &self.handle
    }

    /// The permit is never given back: the handle lives on with nobody to end it.
    pub(crate) fn leak(self) {
        self.handle.pool.counters.leaked.fetch_add(1, Relaxed);
        // Nothing on the heap is lost by this: the live map holds the handle anyway.
        std::mem::forget(self);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.handle.release();
    }
}

impl Handle {
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn owner(&self) -> MutexGuard<'_, Owner> {
        self.owner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn release(&self) {
        LIVE.remove(&self.id);
        // The owner stays locked meanwhile, so that nobody hands the handle on between the two.
        let mut owner = self.owner();
        owner.released = true;
        if let Some(scope) = owner.scope.take() {
            scope.forget(self.id);
        }
    }

    pub(crate) fn is_alive(&self) -> bool {
        !self.owner().released
    }

    /// Makes it belong to `next`, coming from `function`.
    pub(crate) fn hand_to(self: &Arc<Self>, next: Option<Arc<Scope>>, function: &'static Function) {
        let mut owner = self.owner();
        if owner.released {
            return;
        }
        owner.way.push(function);
        if let Some(next) = &next {
            next.adopt(Arc::clone(self));
        }
        owner.scope = next;
    }

    /// The functions it was handed up through, innermost first.
    pub(crate) fn way(&self) -> Vec<&'static Function> {
        self.owner().way.clone()
    }

    pub(crate) fn reserve(&self, reason: String) {
        // The first reason stands: it was given closest to the acquire.
        let _ = self.reserved.set(reason);
    }

    pub(crate) fn is_reserved(&self) -> bool {
        self.reserved.get().is_some()
    }

    pub(crate) fn poison(&self) {
        self.poisoned.store(true, Relaxed);
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.poisoned.load(Relaxed)
    }

    /// A statement begins on it.
    pub(crate) fn begin_statement(&self, tally: &Arc<Tally>, activity: Activity, now: Instant) {
        let mut state = self.state();
        state.statements += 1;
        state.become_(activity, now);
        state.note(What::Statement(Arc::clone(tally)), now);
        drop(state);
        self.stream_rows.store(0, Relaxed);
    }

    /// Something else begins on it; it is over when the guard is dropped.
    pub(crate) fn begin_control(self: &Arc<Self>, control: Control) -> ControlGuard {
        self.pool.count(control);
        let now = Instant::now();
        let place = context::site().map(crate::site::Site::place);
        let mut state = self.state();
        state.become_(Activity::Busy, now);
        state.note(What::Control(control, place), now);
        ControlGuard {
            handle: Arc::clone(self),
        }
    }

    /// A COPY has begun on it.
    #[cfg(feature = "postgres")]
    pub(crate) fn begin_copy(&self) {
        self.state().become_(Activity::Streaming, Instant::now());
    }

    /// What began on it is over.
    pub(crate) fn become_idle(&self, now: Instant) {
        self.state().become_(Activity::Idle, now);
    }

    /// Plain sqlx has the connection, until it is used through the handle again.
    pub(crate) fn lend(&self) {
        let mut state = self.state();
        if state.activity != Activity::Lent {
            state.become_(Activity::Lent, Instant::now());
        }
    }

    pub(crate) fn is_lent(&self) -> bool {
        self.state().activity == Activity::Lent
    }

    pub(crate) fn read_rows(&self, rows: u64) {
        self.stream_rows.store(rows, Relaxed);
    }

    pub(crate) fn transaction_depth(&self) -> u32 {
        self.state().transaction_depth
    }

    pub(crate) fn transaction_began(&self) {
        self.state().transaction_depth += 1;
    }

    pub(crate) fn transaction_ended(&self) {
        let mut state = self.state();
        state.transaction_depth = state.transaction_depth.saturating_sub(1);
    }

    pub(crate) fn read(&self, now: Instant) -> HandleInfo {
        let (scope, handed_up) = {
            let owner = self.owner();
            (owner.scope.clone(), owner.way.clone())
        };
        let state = self.state();
        HandleInfo {
            id: self.id,
            pool: self.pool.name().to_string(),
            site: self.place.to_call_site(),
            scope: scope.map(|scope| scope.function().name().to_owned()),
            handed_up: handed_up
                .iter()
                .map(|function| function.name().to_owned())
                .collect(),
            task: self.task,
            age: now.saturating_duration_since(state.held.unwrap_or(self.asked)),
            activity: state.activity,
            idle: (state.activity == Activity::Idle)
                .then(|| now.saturating_duration_since(state.since)),
            transaction_depth: state.transaction_depth,
            statements: state.statements,
            stream_rows: self.stream_rows.load(Relaxed),
            reserved: self.reserved.get().cloned(),
            operations: state.operations.iter().map(|done| done.read(now)).collect(),
        }
    }

    fn read_waiter(&self, now: Instant) -> WaiterInfo {
        WaiterInfo {
            pool: self.pool.name().to_string(),
            site: self.place.to_call_site(),
            scope: self
                .place
                .function
                .map(|function| function.name().to_owned()),
            age: now.saturating_duration_since(self.asked),
        }
    }

    fn is_waiting(&self) -> bool {
        self.state().held.is_none()
    }
}

impl State {
    fn become_(&mut self, activity: Activity, now: Instant) {
        self.activity = activity;
        self.since = now;
    }

    fn note(&mut self, what: What, when: Instant) {
        self.operations.truncate(OPERATIONS - 1);
        self.operations.push_front(Done { what, when });
    }
}

impl Done {
    fn read(&self, now: Instant) -> Operation {
        let (summary, place) = match &self.what {
            What::Statement(tally) => (tally.summary.clone(), tally.place()),
            What::Control(control, place) => (control.name().to_owned(), *place),
        };
        Operation {
            summary,
            site: place.map(Place::to_call_site),
            age: now.saturating_duration_since(self.when),
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("id", &self.id)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.fmt(f)
    }
}

/// How the permits of a pool are taken.
#[derive(Default)]
pub(crate) struct Occupancy {
    pub(crate) held: u64,
    pub(crate) reserved: u64,
    pub(crate) waiting: u64,
}

fn live() -> Vec<Arc<Handle>> {
    // Copied out shard by shard: nothing is asked of a handle with a shard locked.
    let mut live: Vec<_> = LIVE.iter().map(|entry| Arc::clone(entry.value())).collect();
    live.sort_by_key(|handle| handle.id);
    live
}

pub(crate) fn occupancy(pool: u64) -> Occupancy {
    let mut occupancy = Occupancy::default();
    for handle in live().iter().filter(|handle| handle.pool.id() == pool) {
        if handle.is_waiting() {
            occupancy.waiting += 1;
        } else {
            occupancy.held += 1;
            occupancy.reserved += u64::from(handle.is_reserved());
        }
    }
    occupancy
}

/// Every handle and every waiter, oldest first.
pub(crate) fn read_all() -> (Vec<HandleInfo>, Vec<WaiterInfo>) {
    let now = Instant::now();
    let (waiters, handles): (Vec<_>, Vec<_>) =
        live().into_iter().partition(|handle| handle.is_waiting());
    (
        handles.iter().map(|handle| handle.read(now)).collect(),
        waiters
            .iter()
            .map(|handle| handle.read_waiter(now))
            .collect(),
    )
}

/// How many entries the map has, and their bytes.
pub(crate) fn size() -> (usize, usize) {
    let entries = LIVE.len();
    (
        entries,
        entries * (size_of::<Handle>() + OPERATIONS * size_of::<Done>() + 2 * size_of::<usize>()),
    )
}
