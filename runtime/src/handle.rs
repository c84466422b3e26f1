//! Handles: every claim on a pool permit, from the moment it begins to wait until the permit is given back.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use once_cell::sync::OnceCell;

use crate::context::{self, Origin};
use crate::pool_state::{Control, PoolState};
use crate::scope::Scope;
use crate::site::{Function, Place};
use crate::snapshot::{Activity, HandleInfo, Operation, WaiterInfo};
use crate::tally::Tally;

mod claim;
mod live;

pub(crate) use claim::{Held, Waiting};
pub(crate) use live::{occupancy, read_all, size};

/// A handle remembers this many operations.
const OPERATIONS: usize = 4;

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
    /// Latest first.
    operations: [Option<Done>; OPERATIONS],
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

/// An operation that is no statement, while it runs.
pub(crate) struct ControlGuard {
    handle: Arc<Handle>,
    /// The driver does not count the answer among those that it still has to read.
    unread: bool,
}

impl ControlGuard {
    /// It came to its end, if anybody watched it. Dropped without, it was given up.
    pub(crate) fn end(guard: Option<Self>) {
        if let Some(mut guard) = guard {
            guard.unread = false;
        }
    }
}

impl Drop for ControlGuard {
    fn drop(&mut self) {
        if self.unread {
            self.handle.poison();
        }
        self.handle.become_idle(Instant::now());
    }
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl Handle {
    /// A claim that begins to wait now.
    fn waiting(pool: Arc<PoolState>, origin: Origin, task: Option<u64>) -> Self {
        let now = Instant::now();
        Self {
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
                operations: Default::default(),
            }),
            owner: Mutex::default(),
            reserved: OnceCell::new(),
            stream_rows: AtomicU64::new(0),
            poisoned: AtomicBool::new(false),
        }
    }

    /// The permit is there; the handle belongs to the scope that is current now.
    fn grant(self: &Arc<Self>) {
        let now = Instant::now();
        {
            let mut state = self.state();
            state.held = Some(now);
            state.since = now;
        }
        self.pool.counters.acquired.fetch_add(1, Relaxed);
        self.pool
            .counters
            .wait
            .record(now.saturating_duration_since(self.asked));
        if let Some(scope) = context::scope() {
            scope.adopt(Arc::clone(self));
            self.owner().scope = Some(scope);
        }
    }

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
        live::remove(self.id);
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
            unread: self.pool.endpoint.system == "mysql" && control.is_answered_unseen(),
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
            operations: state
                .operations
                .iter()
                .flatten()
                .map(|done| done.read(now))
                .collect(),
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
        self.operations.rotate_right(1);
        self.operations[0] = Some(Done { what, when });
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
