//! Scopes without a tracked function: named scopes, and scopes that a task carries.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};

use once_cell::sync::Lazy;
use pin_project_lite::pin_project;

use super::{Carried, Ended, Named, Scoped};
use crate::scope::{Scope, context};
use crate::site::TrackedFn;
use crate::source::options::Options;
use crate::sync;

/// Runs `future` in a scope of its own, named `name`: for code that is no function, or that cannot have the attribute.
///
/// The output counts as able to hold a handle. Handles that are alive when the future returns pass to the enclosing
/// scope, or out of all scopes if there is none.
///
/// # Panics
///
/// The return never panics, whatever the levels: `outlived_scope` is not judged here, and `implicit_rollback` and
/// `session_state` are reported only, because a panic would have no place in your file. The exception is `fail=likely`, a setting for tests. An acquire or statement within `future` panics as
/// it does elsewhere.
///
/// # Locking
///
/// The call looks `name` up in a table of the process, under a mutex that is held for the look-up. Polling the future
/// does not. A name of one place in the source is stored at its first call, and stays for the rest of the process. The
/// table keeps 4,096 names apart; further names of one place share an entry.
#[track_caller]
pub fn scope<F: Future>(name: &'static str, future: F) -> InScope<F> {
    let function = named_function(name, Location::caller());
    InScope {
        inner: Inner::Named {
            future: super::scoped(function, future, hand_up::<F> as HandUp<F>),
        },
    }
}

/// Carries the current scope into a task.
pub trait ScopeExt: Future + Sized {
    /// Returns the future as a branch of the scope that is current at this call, as in
    /// `tokio::spawn(work().in_current_scope())`.
    ///
    /// Its statements count in that scope. Its handles are its own; those that are alive when it ends are handed up. If
    /// no scope is current, the future runs as it is.
    ///
    /// While the function awaits that task, and nothing else before, it holds its own handles for the task: a permit that
    /// the task takes is a nested one, likely.
    #[track_caller]
    fn in_current_scope(self) -> InScope<Self> {
        let inner = match context::scope() {
            Some(parent) => Inner::Carried {
                future: super::in_scope(
                    Scope::branch(parent, Location::caller()),
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
    /// The future of [`scope`] and of [`in_current_scope`](ScopeExt::in_current_scope).
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

/// The number of names that are kept apart. Further names of one place share an entry.
const NAMES: usize = 4096;
const FURTHER_NAMES: &str = "(further names of this place)";

/// Returns the function that stands for a named scope: one for each name and place in the source.
pub(crate) fn named_function(
    name: &'static str,
    location: &'static Location<'static>,
) -> &'static TrackedFn {
    stand_in(name, location, |options| options)
}

/// Returns the function that stands for what a test looks at: one for each place in the source.
pub(crate) fn test_function(
    name: &'static str,
    location: &'static Location<'static>,
) -> &'static TrackedFn {
    stand_in(name, location, Options::of_test)
}

fn stand_in(
    name: &'static str,
    location: &'static Location<'static>,
    made: fn(Options) -> Options,
) -> &'static TrackedFn {
    type Functions = HashMap<(&'static str, &'static Location<'static>), &'static TrackedFn>;
    static NAMED: Lazy<Mutex<Functions>> = Lazy::new(Mutex::default);
    let mut named = sync::lock(&NAMED);
    // Limited, because a program may make names at run time and leak them.
    let is_one_more = named.len() >= NAMES && !named.contains_key(&(name, location));
    let name = if is_one_more { FURTHER_NAMES } else { name };
    named.entry((name, location)).or_insert_with(|| {
        let options = made(Options::NONE.named(name));
        Box::leak(Box::new(TrackedFn::standing_in(location, options)))
    })
}
