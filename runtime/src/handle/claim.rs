//! Who has a handle: first who waits for the permit, then who holds it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use futures_core::future::BoxFuture;
use pin_project_lite::pin_project;
use sqlx::Error;

use super::{Handle, Standing, live};
use crate::config;
use crate::context::{self, Origin};
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

/// Who asks for a permit.
pub(super) struct Asked {
    pub(super) pool: Arc<PoolState>,
    pub(super) origin: Origin,
    pub(super) purpose: Purpose,
    /// A number for the task: the address of its waker's data, the same while the task lives.
    pub(super) task: Option<u64>,
    pub(super) when: Instant,
}

pin_project! {
    /// Waits for a permit by way of `acquire`, which is sqlx's. Gives no claim where everything is switched off.
    pub(crate) struct Claiming<F> {
        // Polled outside of all scopes: it runs the pool's hooks, and what they send is nobody's who acquires.
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
    /// Everything was switched off when it was polled first.
    Untracked,
    Ended,
}

/// How a claim came to its end.
enum Claimed {
    /// With its first poll: it never waited.
    AtOnce(Asked),
    Waited(Waiting),
    /// Nobody was to know of it.
    Untracked,
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
    /// Waits, and gives the claim with how that has ended.
    fn poll_claim(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<(Claimed, Result<T, Error>)> {
        let this = self.as_mut().project();
        match std::mem::replace(this.claim, Claim::Ended) {
            Claim::New(pool, origin, purpose) if !config::is_off() => {
                if pool.is_first_use() {
                    report::started(&pool);
                }
                let acquired = context::outside(|| this.acquire.poll(cx));
                let asked = Asked {
                    pool,
                    origin,
                    purpose,
                    task: Some(cx.waker().data().addr() as u64),
                    when: Instant::now(),
                };
                match acquired {
                    Poll::Ready(result) => Poll::Ready((Claimed::AtOnce(asked), result)),
                    Poll::Pending => {
                        self.go_on_waiting(Waiting::new(asked), cx);
                        Poll::Pending
                    }
                }
            }
            Claim::Waiting(waiting) => {
                if let Some(signals) = waiting.handle().wait.polled() {
                    if let Some(message) = signals.stop {
                        let handle = Arc::clone(waiting.handle());
                        drop(waiting);
                        lint::stop(handle.site, handle.place.function, &message);
                    }
                    if signals.probe {
                        *this.probe = waiting.handle().probe();
                    }
                }
                match context::outside(|| this.acquire.poll(cx)) {
                    Poll::Ready(result) => {
                        *this.probe = None;
                        Poll::Ready((Claimed::Waited(waiting), result))
                    }
                    Poll::Pending => {
                        self.go_on_waiting(waiting, cx);
                        Poll::Pending
                    }
                }
            }
            Claim::New(..) | Claim::Untracked => {
                *this.claim = Claim::Untracked;
                this.acquire
                    .poll(cx)
                    .map(|result| (Claimed::Untracked, result))
            }
            Claim::Ended => panic!("polled after it was ready"),
        }
    }

    fn go_on_waiting(self: Pin<&mut Self>, waiting: Waiting, cx: &mut Context<'_>) {
        let this = self.project();
        waiting.handle().wait.park(cx.waker());
        if let Some(probe) = this.probe
            && probe.as_mut().poll(cx).is_ready()
        {
            *this.probe = None;
        }
        watchdog::somebody_waits(&waiting.handle().pool);
        *this.claim = Claim::Waiting(waiting);
    }
}

impl<T, F: Future<Output = Result<T, Error>>> Future for Claiming<F> {
    type Output = Result<(Option<Held>, T), Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (claimed, result) = ready!(self.poll_claim(cx));
        Poll::Ready(match result {
            Ok(connection) => {
                let held = match claimed {
                    Claimed::AtOnce(asked) => Held::at_once(asked),
                    Claimed::Waited(waiting) => waiting.granted(),
                    Claimed::Untracked => return Poll::Ready(Ok((None, connection))),
                };
                lint::taken(held.handle());
                Ok((Some(held), connection))
            }
            Err(error) => {
                claimed.failed(&error);
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
        let (claimed, result) = ready!(self.project().claiming.poll_claim(cx));
        match (claimed, &result) {
            (claimed, Err(error @ Error::PoolTimedOut)) => claimed.failed(error),
            // Nobody has a permit: sqlx has given back what it took, or says itself what is wrong.
            (Claimed::Waited(waiting), _) => waiting.forget(),
            (Claimed::AtOnce(_) | Claimed::Untracked, _) => {}
        }
        Poll::Ready(result)
    }
}

impl Claimed {
    /// There is no permit to be had.
    fn failed(self, error: &Error) {
        match self {
            Claimed::AtOnce(asked) => Waiting::new(asked).failed(error),
            Claimed::Waited(waiting) => waiting.failed(error),
            Claimed::Untracked => {}
        }
    }
}

/// A claim that still waits. Dropped before it is granted, the wait was abandoned.
pub(crate) struct Waiting {
    handle: Option<Arc<Handle>>,
}

impl Waiting {
    fn new(asked: Asked) -> Self {
        asked.pool.permits.wait();
        let handle = Handle::new(asked, Standing::Waiting);
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
        handle.pool.permits.stop_waiting();
        Some(handle)
    }

    /// The permit is there.
    fn granted(mut self) -> Held {
        // In this order, so that the permit is never seen in nobody's hands.
        self.handle().pool.permits.take();
        let handle = self.end().expect("BUG: a wait ends once");
        handle.grant();
        watchdog::somebody_holds(handle.place.function);
        Held::of(handle)
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
            let result = connect.await;
            probing.0.probes.end(Instant::now(), result);
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
    handle: Option<Arc<Handle>>,
}

impl Held {
    /// A permit that was there when it was asked for.
    fn at_once(asked: Asked) -> Self {
        asked.pool.permits.take();
        let handle = Handle::at_once(asked);
        live::insert(&handle);
        watchdog::somebody_asks();
        watchdog::somebody_holds(handle.place.function);
        Self::of(handle)
    }

    fn of(handle: Arc<Handle>) -> Self {
        Self {
            handle: Some(handle),
        }
    }

    /// A permit that nobody waited for.
    pub(crate) fn tried(pool: Arc<PoolState>, origin: Origin) -> Self {
        if pool.is_first_use() {
            report::started(&pool);
        }
        Self::at_once(Asked {
            pool,
            origin,
            purpose: Purpose::Connection,
            task: None,
            when: Instant::now(),
        })
    }

    pub(crate) fn handle(&self) -> &Arc<Handle> {
        self.handle.as_ref().expect("BUG: a hold ends once")
    }

    /// The permit is never given back: the handle lives on with nobody to end it.
    pub(crate) fn leak(self) {
        self.handle().pool.counters.leaked.fetch_add(1, Relaxed);
        // Nothing on the heap is lost by this: the live map holds the handle anyway.
        std::mem::forget(self);
    }

    /// Its holder is done with it; what becomes of the permit is somebody else's matter.
    pub(super) fn end(mut self) -> Arc<Handle> {
        self.handle.take().expect("BUG: a hold ends once")
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            handle.pool.permits.drop_held();
            handle.release();
            live::remove(handle.id);
        }
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle().fmt(f)
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
        let scope = Scope::of_test(&FUNCTION, None, None);
        let pool = PoolState::for_tests(1);
        let inside = async {
            let held = Held::tried(pool, Origin::UnlessPolled(Place::UNKNOWN));
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
