//! The functions of `leash`, on.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use once_cell::sync::Lazy;
use pin_project_lite::pin_project;

use crate::context;
use crate::scope::Scope;
use crate::site::Function;
use crate::snapshot::{Snapshot, TrackerStats};
use crate::tracked::{self, Carried, Ended, Named, Scoped};
use crate::{acquires, handle, lint, pool_state, tally};

pub mod testing;

/// Runs `future` in a scope of its own, named `name`: for code that is no function, or cannot have the attribute.
///
/// What it returns counts as able to hold a handle: handles pass to the enclosing scope.
#[track_caller]
pub fn scope<F: Future>(name: &'static str, future: F) -> InScope<F> {
    let function = named_function(name, Location::caller());
    InScope {
        inner: Inner::Named {
            future: tracked::scope(function, future, hand_up::<F> as HandUp<F>),
        },
    }
}

/// Carries the current scope into a task.
pub trait ScopeExt: Future + Sized {
    /// The future, as a branch of the scope that is current now: for `tokio::spawn(work().in_current_scope())`.
    ///
    /// Its queries count there; what it takes is its own, and handed up when it ends.
    fn in_current_scope(self) -> InScope<Self> {
        let inner = match context::scope() {
            Some(parent) => Inner::Carried {
                future: tracked::in_scope(
                    Scope::branch(parent),
                    self,
                    hand_up::<Self> as HandUp<Self>,
                ),
            },
            None => Inner::Plain { future: self },
        };
        InScope { inner }
    }
}

impl<F: Future> ScopeExt for F {}

fn hand_up<F: Future>(ended: &Ended, value: &F::Output) {
    ended.hand_up(value);
}

type HandUp<F> = fn(&Ended, &<F as Future>::Output);

pin_project! {
    /// A future in a scope that is no tracked function's.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct InScope<F: Future> {
        #[pin]
        inner: Inner<F>,
    }
}

pin_project! {
    #[project = Projected]
    enum Inner<F: Future> {
        Named { #[pin] future: Scoped<Named, F, HandUp<F>> },
        Carried { #[pin] future: Scoped<Carried, F, HandUp<F>> },
        Plain { #[pin] future: F },
    }
}

impl<F: Future> Future for InScope<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match self.project().inner.project() {
            Projected::Named { future } => future.poll(cx),
            Projected::Carried { future } => future.poll(cx),
            Projected::Plain { future } => future.poll(cx),
        }
    }
}

impl<F: Future> fmt::Debug for InScope<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InScope").finish_non_exhaustive()
    }
}

/// So many named scopes are told apart; beyond, those of one place share a name.
const NAMES: usize = 4096;
const FURTHER_NAMES: &str = "(further names of this place)";

/// The functions that stand for named scopes: one for each name and place in the source.
fn named_function(name: &'static str, location: &'static Location<'static>) -> &'static Function {
    type Functions = HashMap<(&'static str, &'static Location<'static>), &'static Function>;
    static NAMED: Lazy<Mutex<Functions>> = Lazy::new(Mutex::default);
    let mut named = NAMED.lock().unwrap_or_else(PoisonError::into_inner);
    // A name may be made, and leaked, while the program runs.
    let is_one_more = named.len() >= NAMES && !named.contains_key(&(name, location));
    let name = if is_one_more { FURTHER_NAMES } else { name };
    named.entry((name, location)).or_insert_with(|| {
        let function =
            Function::new(|| "", location.file(), location.line(), location.column()).named(name);
        Box::leak(Box::new(function))
    })
}

/// What the tracker knows now: counters, live handles, waiters, pools, its own size.
///
/// Costs a walk over everything that lives, with no lock held that a query needs for longer than it takes to copy a
/// part of the map.
pub fn snapshot() -> Snapshot {
    let mut sites = tally::read_all();
    sites.sort_by_key(|site| std::cmp::Reverse(site.time.total));
    let (handles, waiters) = handle::read_all();
    let (rows, row_bytes) = tally::size();
    let (live, live_bytes) = handle::size();
    let pools: Vec<_> = pool_state::all()
        .iter()
        .map(|gauge| {
            let state = gauge.state();
            state.read(&**gauge)
        })
        .collect();
    let scopes = Scope::alive();
    Snapshot {
        sites,
        acquires: acquires::read_all(),
        handles,
        waiters,
        lints: lint::read_all(),
        tracker: TrackerStats {
            rows: rows as u64,
            live: live as u64,
            scopes,
            pools: pools.len() as u64,
            bytes: (row_bytes + live_bytes) as u64 + scopes * size_of::<Scope>() as u64,
        },
        pools,
    }
}

/// Calls `callback` with every finding that is not allowed, before any panic.
///
/// It runs on the thread that found it, with no lock held and outside of all scopes: what it sends or takes is no function's
/// doing. A panic in it is caught and logged. What is found in a callback is told to no callback. It stays for the rest of
/// the process.
///
/// It may be the watchdog's thread, or one that holds the permit that it would wait for: send statements from a task.
pub fn on_finding(callback: impl Fn(&lint::Finding) + Send + Sync + 'static) {
    lint::on_finding(callback);
}

/// Reports every `report` interval (60 s unless configured) from a thread of its own, until the process ends. Further calls
/// change nothing. See [`report`].
pub fn spawn_reporter() {
    crate::report::spawn_reporter();
}

/// Reports now what happened since the last report, as events at INFO: a line per pool at target `sqlx_leash::pool` (idle
/// pools share one), a line per call site at `sqlx_leash::sites`.
pub fn report() {
    crate::report::report();
}
