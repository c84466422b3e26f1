//! Scopes without a tracked function: named ones, and those that a task carries.

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
use crate::source::function::Function;
use crate::sync;

/// Runs `future` in a scope of its own, named `name`: for code that is no function, or cannot have the attribute.
///
/// What it returns counts as able to hold a handle: handles pass to the enclosing scope.
#[track_caller]
pub fn scope<F: Future>(name: &'static str, future: F) -> InScope<F> {
    let function = named_function(name, Location::caller());
    InScope {
        inner: Inner::Named {
            future: super::scope(function, future, hand_up::<F> as HandUp<F>),
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
                future: super::in_scope(
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
pub(crate) fn named_function(
    name: &'static str,
    location: &'static Location<'static>,
) -> &'static TrackedFn {
    type Functions = HashMap<(&'static str, &'static Location<'static>), &'static TrackedFn>;
    static NAMED: Lazy<Mutex<Functions>> = Lazy::new(Mutex::default);
    let mut named = sync::lock(&NAMED);
    // A name may be made, and leaked, while the program runs.
    let is_one_more = named.len() >= NAMES && !named.contains_key(&(name, location));
    let name = if is_one_more { FURTHER_NAMES } else { name };
    named.entry((name, location)).or_insert_with(|| {
        let function =
            Function::new(|| "", location.file(), location.line(), location.column()).named(name);
        Box::leak(Box::new(TrackedFn::new(function)))
    })
}
