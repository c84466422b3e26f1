//! Who has a handle: first who waits for the permit, then who holds it, then the task that gives it back.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use futures_core::future::BoxFuture;
use pin_project_lite::pin_project;
use sqlx::Error;

use super::{Handle, live};
use crate::config;
use crate::context::Origin;
use crate::lint;
use crate::pool_state::{self, PoolState};
use crate::{report, watchdog};

/// What a permit is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A connection or transaction in the program's hands.
    Connection,
    /// One statement sent to the pool, whose future holds it.
    Statement,
    /// A row stream of the pool, whose consumer holds it.
    Rows,
}

impl Purpose {
    /// Whether a query was sent to the pool, rather than a handle asked for.
    pub(crate) fn is_query(self) -> bool {
        self != Purpose::Connection
    }
}

pin_project! {
    /// Waits for a permit by way of `acquire`, which is sqlx's.
    pub(crate) struct Claiming<F> {
        #[pin]
        acquire: F,
        claim: Claim,
        // A connect of its own, to learn why there is no connection.
        probe: Option<BoxFuture<'static, ()>>,
    }
}

enum Claim {
    /// Not polled yet: nobody waits.
    New(Arc<PoolState>, Origin, Purpose),
    Waiting(Waiting),
    Ended,
}

impl<F> Claiming<F> {
    pub(crate) fn new(pool: Arc<PoolState>, origin: Origin, purpose: Purpose, acquire: F) -> Self {
        Self {
            acquire,
            claim: Claim::New(pool, origin, purpose),
            probe: None,
        }
    }
}

impl<T, F: Future<Output = Result<T, Error>>> Claiming<F> {
    /// Waits, and gives the claim with how the wait has ended.
    fn poll_wait(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<(Waiting, Result<T, Error>)> {
        let this = self.project();
        if let Claim::New(pool, origin, purpose) = this.claim {
            // A number for the task: the address of its waker's data, the same while the task lives.
            let task = cx.waker().data().addr() as u64;
            let waiting = Waiting::new(Arc::clone(pool), *origin, *purpose, Some(task));
            *this.claim = Claim::Waiting(waiting);
        }
        let Claim::Waiting(waiting) = this.claim else {
            panic!("polled after it was ready");
        };
        if let Some(signals) = waiting.handle().wait.polled() {
            if let Some(message) = signals.stop {
                let handle = Arc::clone(waiting.handle());
                *this.claim = Claim::Ended;
                lint::stop(handle.site, handle.place.function, &message);
            }
            if signals.probe {
                *this.probe = waiting.handle().probe();
            }
        }
        let Poll::Ready(result) = this.acquire.poll(cx) else {
            waiting.handle().wait.park(cx.waker());
            if let Some(probe) = this.probe
                && probe.as_mut().poll(cx).is_ready()
            {
                *this.probe = None;
            }
            watchdog::somebody_waits(&waiting.handle().pool);
            return Poll::Pending;
        };
        let Claim::Waiting(waiting) = std::mem::replace(this.claim, Claim::Ended) else {
            unreachable!("BUG: it waited just now")
        };
        *this.probe = None;
        Poll::Ready((waiting, result))
    }
}

impl<T, F: Future<Output = Result<T, Error>>> Future for Claiming<F> {
    type Output = Result<(Held, T), Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (waiting, result) = ready!(self.poll_wait(cx));
        Poll::Ready(match result {
            Ok(connection) => {
                let held = waiting.granted();
                lint::taken(&held.handle);
                Ok((held, connection))
            }
            Err(error) => {
                waiting.failed(&error);
                Err(error)
            }
        })
    }
}

pin_project! {
    /// Waits for the first connection of a pool that is being made, by way of `connect`, which is sqlx's.
    pub(crate) struct Opening<F> {
        #[pin]
        claiming: Claiming<F>,
    }
}

impl<F> Opening<F> {
    pub(crate) fn new(pool: Arc<PoolState>, origin: Origin, connect: F) -> Self {
        Self {
            claiming: Claiming::new(pool, origin, Purpose::Connection, connect),
        }
    }
}

impl<T, F: Future<Output = Result<T, Error>>> Future for Opening<F> {
    type Output = Result<T, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (waiting, result) = ready!(self.project().claiming.poll_wait(cx));
        match &result {
            Err(error @ Error::PoolTimedOut) => waiting.failed(error),
            // Nobody has a permit: sqlx has given back what it took, or says itself what is wrong.
            _ => waiting.forget(),
        }
        Poll::Ready(result)
    }
}

/// A claim that still waits. Dropped before it is granted, the wait was abandoned.
pub(crate) struct Waiting {
    handle: Option<Arc<Handle>>,
}

impl Waiting {
    /// Begins to wait for a permit of `pool`.
    fn new(pool: Arc<PoolState>, origin: Origin, purpose: Purpose, task: Option<u64>) -> Self {
        if pool.is_first_use() {
            report::started(&pool);
        }
        pool.permits.waiting.fetch_add(1, SeqCst);
        let handle = Handle::waiting(pool, origin, purpose, task);
        live::insert(&handle);
        watchdog::somebody_asks();
        Self {
            handle: Some(handle),
        }
    }

    fn handle(&self) -> &Arc<Handle> {
        self.handle.as_ref().expect("BUG: a wait ends once")
    }

    fn end(&mut self) -> Option<Arc<Handle>> {
        let handle = self.handle.take()?;
        handle.pool.permits.waiting.fetch_sub(1, Relaxed);
        Some(handle)
    }

    /// The permit is there.
    fn granted(mut self) -> Held {
        let handle = self.end().expect("BUG: a wait ends once");
        handle.pool.permits.held.fetch_add(1, Relaxed);
        handle.grant();
        watchdog::somebody_holds(handle.place.function);
        Held { handle }
    }

    /// It was no claim of the program's.
    fn forget(mut self) {
        if let Some(handle) = self.end() {
            live::remove(handle.id);
        }
    }

    /// There is no permit to be had.
    fn failed(mut self, error: &Error) {
        let handle = Arc::clone(self.handle());
        let counters = &handle.pool.counters;
        handle.acquires.failed(error);
        // Those who look for the cause still see it waiting.
        let stop = if let Error::PoolTimedOut = error {
            counters.timeouts.fetch_add(1, Relaxed);
            lint::pool_timeout(&handle)
        } else {
            counters.acquire_errors.fetch_add(1, Relaxed);
            None
        };
        self.end();
        live::remove(handle.id);
        if let Some(message) = stop {
            lint::stop(handle.site, handle.place.function, &message);
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(handle) = self.end() {
            handle.pool.counters.abandoned.fetch_add(1, Relaxed);
            handle.acquires.abandoned();
            live::remove(handle.id);
        }
    }
}

impl Handle {
    /// A connect beside the acquire that waits, where one may be made.
    fn probe(self: &Arc<Self>) -> Option<BoxFuture<'static, ()>> {
        let gauge = pool_state::gauge(self.pool.id())?;
        let pool = Arc::clone(&self.pool);
        let connect = gauge.connect();
        Some(Box::pin(async move {
            let probing = Probing(pool);
            probing.0.probes.end(connect.await);
        }))
    }
}

/// A connect that runs. Dropped before it has ended, it was given up.
struct Probing(Arc<PoolState>);

impl Drop for Probing {
    fn drop(&mut self) {
        self.0.probes.give_up(Instant::now());
    }
}

/// A claim that holds its permit. Dropping it ends the handle.
pub(crate) struct Held {
    handle: Arc<Handle>,
}

impl Held {
    /// A permit that was there at once.
    pub(crate) fn at_once(pool: Arc<PoolState>, origin: Origin) -> Self {
        Waiting::new(pool, origin, Purpose::Connection, None).granted()
    }

    pub(crate) fn handle(&self) -> &Arc<Handle> {
        &self.handle
    }

    /// The permit is never given back: the handle lives on with nobody to end it.
    pub(crate) fn leak(self) {
        self.handle.pool.counters.leaked.fetch_add(1, Relaxed);
        // Nothing on the heap is lost by this: the live map holds the handle anyway.
        std::mem::forget(self);
    }

    /// The holder is done with it; the permit is there again when `give_back` has ended.
    pub(crate) fn return_by(
        self,
        give_back: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let returning = self.begin_return();
        async move {
            match config::rules().return_timeout() {
                None => give_back.await,
                Some(limit) => {
                    // Dropped half-way, it closes the connection and frees the permit.
                    if sqlx_core::rt::timeout(limit, give_back).await.is_err() {
                        report::return_cut(&returning.handle, limit);
                    }
                }
            }
            drop(returning);
        }
    }

    fn begin_return(self) -> Returning {
        let handle = Arc::clone(&self.handle);
        std::mem::forget(self);
        let permits = &handle.pool.permits;
        // In this order, so that the permit is never seen in nobody's hands.
        permits.returning.fetch_add(1, Relaxed);
        permits.held.fetch_sub(1, Relaxed);
        let hold = handle.release();
        lint::came_back(&handle, hold);
        Returning { handle }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.handle.pool.permits.held.fetch_sub(1, Relaxed);
        let hold = self.handle.release();
        live::remove(self.handle.id);
        lint::came_back(&self.handle, hold);
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.fmt(f)
    }
}

/// A handle on its way back.
struct Returning {
    handle: Arc<Handle>,
}

impl Drop for Returning {
    fn drop(&mut self) {
        self.handle.pool.permits.returning.fetch_sub(1, Relaxed);
        live::remove(self.handle.id);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Waker;

    use super::*;
    use crate::scope::Scope;
    use crate::site::{Function, Place};
    use crate::tracked;

    #[test]
    fn a_scope_forgets_what_is_given_back_while_it_runs() {
        static FUNCTION: Function = Function::new(|| "", file!(), line!(), 1).named("test");
        let scope = Scope::new(&FUNCTION, None);
        let pool = PoolState::for_tests(1);
        let inside = async {
            let held = Held::at_once(pool, Origin::UnlessPolled(Place::UNKNOWN));
            assert!(!scope.held().is_empty(), "the scope owns what it takes");
            drop(held);
            assert!(
                scope.held().is_empty(),
                "a long scope must not collect what it gave back"
            );
        };
        let mut inside = pin!(tracked::in_scope(Arc::clone(&scope), inside, |_, ()| {}));
        assert!(
            inside
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_ready()
        );
    }
}
