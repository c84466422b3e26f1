//! Handles: each claim on a pool permit, from the start of its wait until the permit is free again.

use std::fmt;
use std::ops::Deref;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use once_cell::sync::OnceCell;
use smallvec::SmallVec;

use crate::pool_state::PoolState;
use crate::pool_state::connections::{Opening, Shown};
use crate::pool_state::endpoint::System;
use crate::scope::kept_span::KeptSpan;
use crate::scope::origin::{Origin, Resolved};
use crate::scope::{Scope, context};
use crate::site::Site;
use crate::site::acquires::Acquires;
use crate::site::tally::Tally;
use crate::snapshot::Activity;
use crate::source::function::Function;
use crate::source::place::Place;
use crate::{log, sync};

mod activity;
pub(crate) mod asked;
pub(crate) mod begun;
mod by_text;
pub(crate) mod effects;
pub(crate) mod failing;
pub(crate) mod failure;
mod glance;
pub(crate) mod held;
pub(crate) mod holders;
mod holding;
pub(crate) mod in_task;
mod left;
pub(crate) mod lent;
pub(crate) mod live;
mod loan;
mod operations;
pub(crate) mod owner;
mod read;
mod reported;
mod returning;
mod rows;
pub(crate) mod session;
mod spans;
mod spare;
mod spent;
mod told;
mod transactions;
pub(crate) mod unread;
mod unserved;
mod wait;
mod waiter;

pub(crate) use glance::Glance;

pub(crate) use activity::ControlGuard;
use asked::{Asked, Purpose};
use begun::Begun;
use left::Left;
use loan::Loan;
use operations::Operations;
use reported::Reported;
use rows::StreamRows;
use session::Session;
use spans::Spans;
use spent::Spent;
use unread::{Progress, Unread};
use wait::Wait;

/// The reason with which a listener reserves its handle.
pub(crate) const LISTENER: &str = "PgListener";

/// A claim on one permit of a pool: waiting at first, then held, then returning.
pub(crate) struct Handle {
    claim: Claim,
    state: Mutex<State>,
    wait: Wait,
    /// The reason given to `long_lived`.
    reserved: OnceCell<String>,
    stream: StreamRows,
    /// How the return of the connection goes on, where something is left unread.
    progress: Progress,
    /// Whether the connection must not be used again, because its state may differ from what sqlx assumes.
    poisoned: OnceCell<Shown>,
    /// A statement has shown that nothing can be sent on the connection any more.
    is_broken: AtomicBool,
    /// A transaction on it has failed, and no finding has reported that yet.
    has_failed: AtomicBool,
    /// A text may have left a transaction open on it, or something set.
    has_effects: AtomicBool,
    /// The plain connection was lent, and the holder has not used the handle since.
    was_lent: AtomicBool,
}

/// What is known of a claim when it is made, and does not change.
pub(crate) struct Claim {
    id: u64,
    pub(crate) pool: Arc<PoolState>,
    /// Where the permit was requested.
    pub(crate) place: Place,
    /// The call site at `place`, if the attribute has recorded one.
    pub(crate) site: Option<&'static Site>,
    /// Where the future of that call site is polled: its `.await`, or a place in the code of a combinator.
    pub(crate) awaited_at: Option<&'static Location<'static>>,
    pub(crate) purpose: Purpose,
    /// The span in which the permit was requested. Findings about the handle are emitted in it.
    pub(crate) span: KeptSpan,
    task: Option<u64>,
    /// When the permit was requested.
    asked: Instant,
    /// The number of permits that the pool had granted at `asked`.
    granted_before: u64,
    /// The number of acquires that waited for the pool at `asked`.
    waiting_before: u64,
    /// Whether they and the holders had every permit then.
    queues: bool,
    /// The counters of `place`.
    acquires: &'static Acquires,
}

/// The state of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Waiting,
    /// Granted at this time.
    Held(Instant),
    /// Released by its holder at this time. sqlx checks the connection before the permit is free again.
    Returning(Instant),
}

struct State {
    standing: Standing,
    activity: Activity,
    /// When `activity` began.
    since: Instant,
    spent: Spent,
    /// Whether the open stream carries the data of a COPY.
    copies: bool,
    /// The plain connection as it was lent last; `None` once the holder uses the handle itself.
    loan: Option<Loan>,
    /// The number of rows last seen in the open stream, and the time at which it was first seen.
    rows_seen: Option<(u64, Instant)>,
    /// The open transaction and its savepoints, outermost first.
    transactions: SmallVec<[Begun; 1]>,
    /// Whether the server has ended `transactions`, at a statement or at an error. Their values do not know that.
    transactions_over: bool,
    /// What texts have set on the connection; `None` for most handles.
    session: Option<Box<Session>>,
    statements: u64,
    /// The first of them.
    first: Option<&'static Tally>,
    /// The last statement, if it was dropped before its answer was read.
    unread: Option<Unread>,
    operations: Operations,
    /// `None` where no span was opened.
    spans: Option<Box<Spans>>,
    reported: Reported,
    owner: Owner,
}

/// The scope that a handle belongs to, and how the handle came to it.
#[derive(Default)]
struct Owner {
    scope: Option<Arc<Scope>>,
    /// The functions that returned the handle to their caller, innermost first.
    handed_up_by: Vec<&'static Function>,
    /// Where the last of them was awaited.
    handed_up_at: Option<&'static Location<'static>>,
    /// How it left its root scope, if it did.
    left: Option<Box<Left>>,
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl Handle {
    /// A claim in its first state: it waits, or was granted its permit at once.
    fn new(asked: Asked, standing: Standing) -> Arc<Self> {
        let Asked {
            pool,
            origin,
            purpose,
            task,
            when: asked,
        } = asked;
        let Resolved {
            place,
            site,
            acquires,
        } = origin.resolve();
        let granted_before = pool.granted();
        let (waiting_before, queues) = match standing {
            Standing::Waiting => {
                // The pool counts this one already.
                let waiting = pool.permits.waiting().saturating_sub(1);
                let permits = u64::from(pool.limits.max_connections);
                (waiting, waiting + pool.permits.taken() >= permits)
            }
            Standing::Held(_) | Standing::Returning(_) => (0, false),
        };
        let claim = Claim {
            id: NEXT_ID.fetch_add(1, Relaxed),
            pool,
            place,
            site,
            awaited_at: context::awaited_at(),
            purpose,
            span: KeptSpan::current(),
            task,
            asked,
            granted_before,
            waiting_before,
            queues,
            acquires,
        };
        let scope = context::scope();
        if let Some(mut spare) = spare::take()
            && let Some(handle) = Arc::get_mut(&mut spare)
        {
            handle.claim = claim;
            let state = sync::get_mut(&mut handle.state);
            state.standing = standing;
            state.since = asked;
            state.spent = Spent::from(asked);
            state.owner.scope = scope;
            return spare;
        }
        Arc::new(Self {
            claim,
            state: Mutex::new(State {
                standing,
                activity: Activity::Idle,
                since: asked,
                spent: Spent::from(asked),
                copies: false,
                loan: None,
                rows_seen: None,
                transactions: SmallVec::new(),
                transactions_over: false,
                session: None,
                statements: 0,
                first: None,
                unread: None,
                operations: Operations::default(),
                spans: None,
                reported: Reported::default(),
                owner: Owner {
                    scope,
                    ..Owner::default()
                },
            }),
            wait: Wait::default(),
            reserved: OnceCell::new(),
            stream: StreamRows::default(),
            progress: Progress::default(),
            poisoned: OnceCell::new(),
            is_broken: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
            has_effects: AtomicBool::new(false),
            was_lent: AtomicBool::new(false),
        })
    }

    /// Makes it as a new one is, but for what [`new`](Self::new) sets.
    fn clear(&mut self) {
        // Each field is named, so that a new one cannot be forgotten.
        let Self {
            claim,
            state,
            wait,
            reserved,
            stream,
            progress,
            poisoned,
            is_broken,
            has_failed,
            has_effects,
            was_lent,
        } = self;
        claim.span = KeptSpan::none();
        sync::get_mut(state).clear();
        *wait = Wait::default();
        *reserved = OnceCell::new();
        *stream = StreamRows::default();
        *progress = Progress::default();
        *poisoned = OnceCell::new();
        for is_set in [is_broken, has_failed, has_effects, was_lent] {
            *is_set = AtomicBool::new(false);
        }
    }

    /// Stands for a connection that belongs to no pool, while a transaction on it is open. It holds no permit and is not
    /// in the live map, so no lint about holding sees it.
    pub(crate) fn without_permit(system: System, place: Place) -> Arc<Self> {
        let when = Instant::now();
        let asked = Asked {
            pool: PoolState::none(system),
            origin: Origin::UnlessPolled(place),
            purpose: Purpose::Connection,
            task: None,
            when,
        };
        Self::new(asked, Standing::Held(when))
    }

    /// A claim whose permit was free when it was requested.
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

    /// Marks the permit as granted. From now on the handle belongs to the scope that is current now.
    fn grant(&self, has_connected: bool) {
        let now = Instant::now();
        let waited = now.saturating_duration_since(self.asked);
        self.pool.counters.waits.queued(waited, has_connected);
        self.acquires.waits.queued(waited, false);
        let scope = context::scope();
        if let Some(scope) = &scope {
            scope.adopt(self.id);
            #[cfg(feature = "tower")]
            if let Some(spent) = scope.spent() {
                spent.waited(waited);
            }
        }
        let mut state = self.state();
        state.standing = Standing::Held(now);
        state.since = now;
        state.spent = Spent::from(now);
        let asked_by = std::mem::replace(&mut state.owner.scope, scope);
        drop(state);
        // After the unlock: a scope may hold spans, and dropping a span runs the code of a subscriber.
        drop(asked_by);
        self.tell_grant(waited, has_connected);
    }

    /// Counts a wait that ended without a permit, in its request.
    #[cfg(feature = "tower")]
    fn ended_without_permit(&self) {
        if let Some(scope) = self.scope()
            && let Some(spent) = scope.spent()
        {
            spent.waited(self.asked.elapsed());
        }
    }

    /// Counts connections that were opened for the claim. Of the first one it is known when its connect began, if the claim
    /// had its permit at once.
    #[cold]
    fn opens(&self, connections: u64, is_first: bool) {
        self.acquires.opens(connections);
        let test = self.scope().and_then(|scope| scope.test());
        self.pool
            .openers
            .add(self.place, connections, test.as_ref());
        let time = (is_first && self.had_permit()).then(|| self.asked.elapsed());
        if let Some(time) = time {
            self.pool.connections.connected_in(time);
        }
        for number in 0..connections {
            self.pool.connections.opened_for(Opening {
                place: self.place,
                time: time.filter(|_| number == 0),
            });
        }
    }

    /// Whether a permit was free when the claim began: its wait is then for a connection alone.
    fn had_permit(&self) -> bool {
        !self.queues && self.pool.lent_at().is_none()
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// The name of its pool; `None` for a connection that belongs to none.
    pub(crate) fn pool_name(&self) -> Option<Arc<str>> {
        (!self.pool.is_none()).then(|| self.pool.name())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        sync::lock(&self.state)
    }

    /// Marks the handle as released by its holder, and takes it from its scope. Returns whether a statement has left
    /// something unread.
    fn release(&self) -> bool {
        let mut state = self.state();
        // The future of a single statement ends with the statement, and the value of a transaction with its commit or
        // rollback, so the time is known without a clock read.
        let ends_now = match self.purpose {
            Purpose::Statement => state.statements > 0,
            Purpose::Transaction => state.transactions.is_empty(),
            Purpose::Connection | Purpose::Rows => false,
        };
        let now = if ends_now && state.activity == Activity::Idle {
            state.since
        } else {
            Instant::now()
        };
        state.enter(Activity::Idle, &self.stream, now);
        let before = std::mem::replace(&mut state.standing, Standing::Returning(now));
        let hold = state.hold(&self.stream, now);
        let was_reported = state.reported.idle_ever;
        let (statements, is_unread) = (state.statements, state.unread.is_some());
        // `state` stays locked, so that no other thread hands the handle to another scope between these two steps.
        let scope = state.owner.scope.take();
        if let Some(scope) = &scope {
            scope.forget(self.id);
        }
        let left = state.owner.left.take();
        let spans = state.spans.take();
        drop(state);
        if let Some(spans) = spans {
            spans.end();
        }
        if left.is_some() {
            left::remove(self.id);
            // After the unlock: a waker is foreign code.
            drop(left);
        }
        if self.is_reserved() {
            self.pool.counters.holds.add_reserved(hold);
            self.pool.permits.reserved.fetch_sub(1, Relaxed);
        } else {
            self.pool.counters.holds.add(hold);
        }
        if was_reported {
            log::idle_handle_returned(self.place, &self.pool, &self.span, hold);
        }
        if let Standing::Held(since) = before {
            self.tell_hold(since, hold, statements);
        }
        is_unread
    }

    pub(crate) fn is_alive(&self) -> bool {
        !matches!(self.state().standing, Standing::Returning(_))
    }

    /// Exempts the handle from the lints about leaks and holding.
    pub(crate) fn reserve(&self, reason: String) {
        // The first reason is kept: it was given closest to the acquire.
        if self.reserved.set(reason).is_ok() {
            self.pool.permits.reserved.fetch_add(1, Relaxed);
        }
    }

    /// The reason given to `long_lived`.
    pub(crate) fn reserved_for(&self) -> Option<&str> {
        self.reserved.get().map(String::as_str)
    }

    pub(crate) fn is_reserved(&self) -> bool {
        self.reserved.get().is_some()
    }

    /// Marks the connection as unfit for further use.
    pub(crate) fn poison(&self, why: Shown) {
        let _ = self.poisoned.set(why);
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.poisoned.get().is_some()
    }

    /// Records that its connection is about to be closed.
    pub(crate) fn closes_connection(&self, why: Shown) {
        self.pool.connections.closes(why);
    }

    /// Records that its connection is closed at its drop, because it is poisoned.
    pub(crate) fn closes_poisoned(&self) {
        if let Some(why) = self.poisoned.get() {
            self.closes_connection(*why);
        }
    }
}

impl State {
    /// Makes it as that of a new handle is, but for what [`Handle::new`] sets.
    fn clear(&mut self) {
        // Each field is named, so that a new one cannot be forgotten.
        let Self {
            standing: _,
            activity,
            since: _,
            spent: _,
            copies,
            loan,
            rows_seen,
            transactions,
            transactions_over,
            session,
            statements,
            first,
            unread,
            operations,
            spans,
            reported,
            owner,
        } = self;
        *activity = Activity::Idle;
        *copies = false;
        *loan = None;
        *rows_seen = None;
        transactions.clear();
        *transactions_over = false;
        *session = None;
        *statements = 0;
        *first = None;
        *unread = None;
        *operations = Operations::default();
        *spans = None;
        *reported = Reported::default();
        *owner = Owner::default();
    }
}

impl Deref for Handle {
    type Target = Claim;

    #[inline]
    fn deref(&self) -> &Claim {
        &self.claim
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
