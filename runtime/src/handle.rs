//! Handles: every claim on a pool permit, from the moment it begins to wait until the permit is there again.

use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use once_cell::sync::OnceCell;
use smallvec::SmallVec;

use crate::pool_state::PoolState;
use crate::pool_state::counters::Hold;
use crate::scope::{Scope, context};
use crate::site::Site;
use crate::site::acquires::{self, Acquires};
use crate::snapshot::Activity;
use crate::source::function::Function;
use crate::source::place::Place;
use crate::{log, sync};

mod activity;
pub(crate) mod asked;
pub(crate) mod begun;
mod glance;
pub(crate) mod held;
mod holding;
pub(crate) mod live;
mod operations;
pub(crate) mod owner;
mod read;
mod reported;
mod returning;
mod rows;
mod transactions;
mod wait;
mod waiter;

pub(crate) use activity::ControlGuard;
use asked::{Asked, Purpose};
use begun::Begun;
use operations::Operations;
use reported::Reported;
use rows::StreamRows;
use wait::Wait;

/// A claim on one permit of a pool: first waiting, then held, then on its way back.
pub(crate) struct Handle {
    id: u64,
    pub(crate) pool: Arc<PoolState>,
    /// Where it was asked for.
    pub(crate) place: Place,
    /// The same, where the attribute knows it.
    pub(crate) site: Option<&'static Site>,
    /// Where the future of that site was awaited, as seen from inside.
    pub(crate) awaited_at: Option<&'static Location<'static>>,
    pub(crate) purpose: Purpose,
    /// The span in which it was asked for: what is found out about it later belongs there.
    pub(crate) span: tracing::Span,
    task: Option<u64>,
    asked: Instant,
    granted_before: u64,
    /// The counters of its place.
    acquires: &'static Acquires,
    state: Mutex<State>,
    wait: Wait,
    reserved: OnceCell<String>,
    stream: StreamRows,
    /// The connection must not be used again: it may be in a state that sqlx does not know of.
    poisoned: AtomicBool,
}

/// Where a claim stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Waiting,
    /// Since then.
    Held(Instant),
    /// Since then its holder is done with it; sqlx checks the connection before the permit is there again.
    Returning(Instant),
}

struct State {
    standing: Standing,
    activity: Activity,
    /// When `activity` began.
    since: Instant,
    /// What earlier activities add up to.
    spent: Hold,
    /// What streams is the data of a COPY.
    copies: bool,
    transactions: SmallVec<[Begun; 1]>,
    /// The server has ended them on its own.
    is_over: bool,
    statements: u64,
    operations: Operations,
    reported: Reported,
    owner: Owner,
}

#[derive(Default)]
struct Owner {
    scope: Option<Arc<Scope>>,
    /// The functions that handed it up, innermost first.
    handed_up_by: Vec<&'static Function>,
    /// Where the last of them was awaited.
    handed_up_at: Option<&'static Location<'static>>,
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl Handle {
    /// A claim that waits since `asked`, or has its permit since then already.
    fn new(asked: Asked, standing: Standing) -> Arc<Self> {
        let Asked {
            pool,
            origin,
            purpose,
            task,
            when: asked,
        } = asked;
        let (place, site) = origin.resolve();
        let granted_before = pool.granted();
        Arc::new(Self {
            id: NEXT_ID.fetch_add(1, Relaxed),
            pool,
            place,
            site,
            awaited_at: context::awaited_at(),
            purpose,
            span: tracing::Span::current(),
            task,
            asked,
            granted_before,
            acquires: site.map_or_else(|| acquires::at(place), Site::acquires),
            state: Mutex::new(State {
                standing,
                activity: Activity::Idle,
                since: asked,
                spent: Hold::default(),
                copies: false,
                transactions: SmallVec::new(),
                is_over: false,
                statements: 0,
                operations: Operations::default(),
                reported: Reported::default(),
                owner: Owner {
                    scope: context::scope(),
                    ..Owner::default()
                },
            }),
            wait: Wait::default(),
            reserved: OnceCell::new(),
            stream: StreamRows::default(),
            poisoned: AtomicBool::new(false),
        })
    }

    /// A claim whose permit was there when it was asked for.
    fn at_once(asked: Asked) -> Arc<Self> {
        let held = Standing::Held(asked.when);
        let handle = Self::new(asked, held);
        handle.pool.counters.waits.at_once();
        handle.acquires.waits.at_once();
        if let Some(scope) = &handle.state().owner.scope {
            scope.adopt(handle.id);
        }
        handle
    }

    /// The permit is there; the handle belongs to the scope that is current now.
    fn grant(&self) {
        let now = Instant::now();
        let waited = now.saturating_duration_since(self.asked);
        self.pool.counters.waits.queued(waited);
        self.acquires.waits.queued(waited);
        let scope = context::scope();
        if let Some(scope) = &scope {
            scope.adopt(self.id);
        }
        let mut state = self.state();
        state.standing = Standing::Held(now);
        state.since = now;
        let asked_by = std::mem::replace(&mut state.owner.scope, scope);
        drop(state);
        drop(asked_by);
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    fn state(&self) -> MutexGuard<'_, State> {
        sync::lock(&self.state)
    }

    /// Its holder is done with it.
    fn release(&self) {
        let mut state = self.state();
        // The future of a statement ends with it.
        let ends_now = self.purpose == Purpose::Statement && state.statements > 0;
        let now = if ends_now && state.activity == Activity::Idle {
            state.since
        } else {
            Instant::now()
        };
        state.enter(Activity::Idle, &self.stream, now);
        state.standing = Standing::Returning(now);
        let (hold, was_reported) = (state.spent, state.reported.idle_ever);
        // It stays locked meanwhile, so that nobody hands the handle on between the two.
        let scope = state.owner.scope.take();
        if let Some(scope) = &scope {
            scope.forget(self.id);
        }
        drop(state);
        self.pool.counters.holds.add(hold);
        if self.is_reserved() {
            self.pool.permits.reserved.fetch_sub(1, Relaxed);
        }
        if was_reported {
            log::idle_handle_returned(self.place, &self.pool, &self.span, hold);
        }
    }

    pub(crate) fn is_alive(&self) -> bool {
        !matches!(self.state().standing, Standing::Returning(_))
    }

    pub(crate) fn reserve(&self, reason: String) {
        // The first reason stands: it was given closest to the acquire.
        if self.reserved.set(reason).is_ok() {
            self.pool.permits.reserved.fetch_add(1, Relaxed);
        }
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
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("id", &self.id)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}
