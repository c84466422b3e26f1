//! For tests: how many statements a future sends, and what is found in it.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::named_function;
use crate::context::{self, FrameKind};
use crate::lint::{Collector, Finding};
use crate::scope::Scope;

/// Runs `future` and gives its output and how many statements it sent, nested scopes and carried tasks included.
#[track_caller]
pub fn counting<F: Future>(future: F) -> impl Future<Output = (F::Output, u64)> {
    let watched = watch("counting", None, future);
    async move {
        let (output, scope) = watched.await;
        (output, scope.statements())
    }
}

/// Runs `future` and gives its output and what was found in it, nested scopes and carried tasks included.
///
/// What is found neither panics nor is logged; `on_finding` hears it.
#[track_caller]
pub fn findings<F: Future>(future: F) -> impl Future<Output = (F::Output, Vec<Finding>)> {
    let collector = Collector::default();
    let watched = watch("findings", Some(Arc::clone(&collector)), future);
    async move {
        let (output, _) = watched.await;
        let findings = std::mem::take(&mut *collector.lock().unwrap_or_else(PoisonError::into_inner));
        (output, findings)
    }
}

#[track_caller]
fn watch<F: Future>(name: &'static str, collector: Option<Collector>, future: F) -> Watched<F> {
    let function = named_function(name, Location::caller());
    Watched { future, collector, scope: None, function }
}

pin_project! {
    struct Watched<F> {
        #[pin]
        future: F,
        collector: Option<Arc<Mutex<Vec<Finding>>>>,
        scope: Option<Arc<Scope>>,
        function: &'static crate::site::Function,
    }
}

impl<F: Future> Future for Watched<F> {
    type Output = (F::Output, Arc<Scope>);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let scope = this.scope.get_or_insert_with(|| {
            let parent = context::scope();
            match this.collector.take() {
                Some(collector) => Scope::collecting(this.function, parent, collector),
                None => Scope::new(this.function, parent),
            }
        });
        let scope = Arc::clone(scope);
        let entered = context::enter(this.function, FrameKind::Carried, this.scope);
        let poll = this.future.poll(cx);
        drop(entered);
        let output = ready!(poll);
        scope.end_handing_up();
        Poll::Ready((output, scope))
    }
}

/// Asserts how many statements a future sends, and gives its output: `assert_queries!(2, repo.find(1))`.
///
/// # Panics
///
/// If it sends another number of statements; the message lists the statements.
#[doc(hidden)]
#[macro_export]
macro_rules! __assert_queries {
    ($expected:expr, $future:expr $(,)?) => {{
        let (output, sent) = $crate::leash::testing::counting($future).await;
        let expected: u64 = $expected;
        assert_eq!(sent, expected, "the number of statements sent (left) is not the one expected (right)");
        output
    }};
}
pub use crate::__assert_queries as assert_queries;
