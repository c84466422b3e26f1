//! The steps of an acquire: recorded, judged, reported.
//!
//! An acquire that times out is judged while it still counts as waiting. Only the future that runs the acquire can keep
//! that order, so it does all three.

use std::future::Future;
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use futures_core::future::BoxFuture;
use pin_project_lite::pin_project;
use sqlx::Error;

use super::startup;
use super::wait_span::WaitSpan;
use crate::handle::Handle;
use crate::handle::asked::{Asked, Purpose};
use crate::handle::held::{Held, Waiting};
use crate::lint::{self, Reaction};
use crate::observe;
use crate::pool_state::connections::opened_in;
use crate::pool_state::endpoint::Hooks;
use crate::pool_state::{PoolState, full_server, registry};
use crate::scope::context;
use crate::scope::origin::Origin;
use crate::site;
use crate::watchdog::pace;

pin_project! {
    /// Acquires a permit by polling `acquire`, which is sqlx's future. Returns what `claimed` makes of the claim and the
    /// connection. There is no claim where everything is switched off.
    ///
    /// Panics at the acquire's place where a lint about it is at deny and its finding is certain.
    pub(crate) struct Claiming<F, M> {
        #[pin]
        acquire: F,
        claimed: M,
        stage: Stage,
        // A connect that runs beside the wait and shows why no connection comes. The watchdog asks for it.
        probe: Option<BoxFuture<'static, ()>>,
        // The span of the wait, if spans are made of waits.
        span: Option<Box<WaitSpan>>,
        // sqlx's acquire is not `Unpin` either.
        #[pin]
        pinned: PhantomPinned,
    }
}

enum Stage {
    /// Not polled yet, so it does not wait.
    New(Arc<PoolState>, Origin, Purpose),
    Waiting(Waiting),
    /// Everything was switched off at the first poll.
    Untracked,
    Ended,
}

/// How far the claim had come when sqlx's acquire was ready.
enum Claimed {
    /// The first poll was ready, so it never waited.
    AtOnce(Asked),
    Waited(Waiting),
    Untracked,
}

impl<F, M> Claiming<F, M> {
    pub(crate) fn new(
        pool: Arc<PoolState>,
        origin: Origin,
        purpose: Purpose,
        acquire: F,
        claimed: M,
    ) -> Self {
        Self {
            acquire,
            claimed,
            stage: Stage::New(pool, origin, purpose),
            probe: None,
            span: None,
            pinned: PhantomPinned,
        }
    }
}

impl<T, F: Future<Output = Result<T, Error>>, M> Claiming<F, M> {
    /// Polls the acquire. Returns its result with the claim, which the caller must grant or end.
    ///
    /// # Panics
    ///
    /// If the watchdog has left a message to panic with. It does so for a certain `pool_deadlock` at deny.
    fn poll_claim(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<(Claimed, Result<T, Error>)> {
        let this = self.as_mut().project();
        match std::mem::replace(this.stage, Stage::Ended) {
            Stage::New(pool, origin, purpose) if !startup::is_off() => {
                startup::pool_used(&pool);
                let (acquired, opened) = opened_in(|| poll_acquire(&pool, this.acquire, cx));
                let asked = Asked {
                    pool,
                    origin,
                    purpose,
                    task: Some(cx.waker().data().addr() as u64),
                    when: Instant::now(),
                };
                match acquired {
                    Poll::Ready(result) if opened == 0 => {
                        Poll::Ready((Claimed::AtOnce(asked), result))
                    }
                    Poll::Ready(result) => {
                        let mut waiting = begin_to_wait(asked);
                        waiting.opens(opened);
                        Poll::Ready((Claimed::Waited(waiting), result))
                    }
                    Poll::Pending => {
                        let mut waiting = begin_to_wait(asked);
                        waiting.opens(opened);
                        *this.span = WaitSpan::begin(waiting.handle());
                        self.go_on_waiting(waiting, cx);
                        Poll::Pending
                    }
                }
            }
            Stage::Waiting(mut waiting) => {
                if let Some(signals) = waiting.handle().signals() {
                    if let Some(message) = signals.panic {
                        let handle = Arc::clone(waiting.handle());
                        drop(waiting);
                        site::panic_at(handle.site, handle.place.function, &message);
                    }
                    if signals.probe {
                        *this.probe = start_probe(waiting.handle());
                    }
                }
                let in_span = this.span.as_ref().and_then(|span| span.enter());
                let (acquired, opened) =
                    opened_in(|| poll_acquire(&waiting.handle().pool, this.acquire, cx));
                drop(in_span);
                waiting.opens(opened);
                match acquired {
                    Poll::Ready(result) => {
                        *this.probe = None;
                        if let Some(span) = this.span.take() {
                            span.end(result.as_ref().err());
                        }
                        Poll::Ready((Claimed::Waited(waiting), result))
                    }
                    Poll::Pending => {
                        self.go_on_waiting(waiting, cx);
                        Poll::Pending
                    }
                }
            }
            Stage::New(..) | Stage::Untracked => {
                *this.stage = Stage::Untracked;
                this.acquire
                    .poll(cx)
                    .map(|result| (Claimed::Untracked, result))
            }
            Stage::Ended => panic!("polled after it was ready"),
        }
    }

    fn go_on_waiting(self: Pin<&mut Self>, waiting: Waiting, cx: &mut Context<'_>) {
        let this = self.project();
        waiting.handle().park(cx.waker());
        if let Some(probe) = this.probe
            && probe.as_mut().poll(cx).is_ready()
        {
            *this.probe = None;
        }
        if let Some(span) = this.span {
            span.poll(cx);
        }
        pace::acquire_waits(&waiting.handle().pool);
        *this.stage = Stage::Waiting(waiting);
    }
}

impl<T, C, F, M> Future for Claiming<F, M>
where
    F: Future<Output = Result<T, Error>>,
    M: Fn(Option<Held>, T) -> C,
{
    type Output = Result<C, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (claimed, result) = ready!(self.as_mut().poll_claim(cx));
        let make = self.project().claimed;
        Poll::Ready(match result {
            Ok(connection) => {
                let held = match claimed {
                    Claimed::AtOnce(asked) => hold_at_once(asked),
                    Claimed::Waited(waiting) => hold_after_wait(waiting),
                    Claimed::Untracked => return Poll::Ready(Ok(make(None, connection))),
                };
                let handle = held.handle();
                if let Reaction::Panic(message) = lint::on_granted(handle) {
                    site::panic_at(handle.site, handle.place.function, &message);
                }
                Ok(make(Some(held), connection))
            }
            Err(error) => {
                claimed.fail(&error);
                Err(error)
            }
        })
    }
}

pin_project! {
    /// Waits for the first connection of a pool that is being made, by polling `connect`, which is sqlx's future.
    pub(crate) struct Opening<F> {
        #[pin]
        claiming: Claiming<F, ()>,
    }
}

impl<F> Opening<F> {
    pub(crate) fn new(pool: Arc<PoolState>, origin: Origin, connect: F) -> Self {
        Self {
            claiming: Claiming::new(pool, origin, Purpose::Connection, connect, ()),
        }
    }
}

impl<T, F: Future<Output = Result<T, Error>>> Future for Opening<F> {
    type Output = Result<T, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (claimed, result) = ready!(self.project().claiming.poll_claim(cx));
        match (claimed, &result) {
            (claimed, Err(error)) if is_judged(error) => claimed.fail(error),
            // No permit is held: sqlx has released its first connection, or returns an error that explains itself.
            (Claimed::Waited(waiting), _) => waiting.forget(),
            (Claimed::AtOnce(_) | Claimed::Untracked, _) => {}
        }
        Poll::Ready(result)
    }
}

impl Claimed {
    /// Counts an acquire that ended with an error, and judges it if it timed out or the server is full.
    ///
    /// # Panics
    ///
    /// Where `pool_timeout` is at deny and the finding is certain.
    fn fail(self, error: &Error) {
        let waiting = match self {
            Claimed::AtOnce(asked) => begin_to_wait(asked),
            Claimed::Waited(waiting) => waiting,
            Claimed::Untracked => return,
        };
        waiting.count_failure(error);
        let handle = Arc::clone(waiting.handle());
        // Judged while it still counts as waiting, so that the diagnosis sees it among the waiters.
        let reaction = match error {
            Error::PoolTimedOut => lint::pool_timeout(&handle),
            error if full_server::is_full(error) => lint::server_is_full(&handle, error),
            _ => Reaction::Go,
        };
        handle.acquire_failed(error);
        waiting.forget();
        if let Reaction::Panic(message) = reaction {
            site::panic_at(handle.site, handle.place.function, &message);
        }
    }
}

/// Polls sqlx's acquire: outside of all scopes if the pool may have hooks that are not wrapped, whose statements are not the
/// caller's.
fn poll_acquire<F: Future>(
    pool: &PoolState,
    acquire: Pin<&mut F>,
    cx: &mut Context<'_>,
) -> Poll<F::Output> {
    match pool.limits.hooks {
        Hooks::LeaveState => acquire.poll(cx),
        Hooks::MayUndo | Hooks::Unknown => context::outside(|| acquire.poll(cx)),
    }
}

/// Whether [`Claimed::fail`] has more to say about the error than the error itself.
fn is_judged(error: &Error) -> bool {
    matches!(error, Error::PoolTimedOut) || full_server::is_full(error)
}

// Each of these counts the claim first and calls `pace` then. `watchdog/pace.rs` says why the order matters.

fn begin_to_wait(asked: Asked) -> Waiting {
    let waiting = Waiting::begin(asked);
    pace::handle_asked_for();
    waiting
}

fn hold_after_wait(waiting: Waiting) -> Held {
    let has_connected = waiting.has_connected();
    let held = waiting.granted();
    pace::handle_held(held.handle().place.function);
    if has_connected && observe::are_any() {
        observe::connections(&held.handle().pool);
    }
    held
}

fn hold_at_once(asked: Asked) -> Held {
    let held = Held::at_once(asked);
    pace::handle_asked_for();
    pace::handle_held(held.handle().place.function);
    held
}

/// Records a permit of `try_acquire`, which never waits. Returns `None` where everything is switched off.
pub(crate) fn try_acquired(pool: &Arc<PoolState>, origin: Origin) -> Option<Held> {
    if startup::is_off() {
        return None;
    }
    startup::pool_used(pool);
    Some(hold_at_once(Asked {
        pool: Arc::clone(pool),
        origin,
        purpose: Purpose::Connection,
        task: None,
        when: Instant::now(),
    }))
}

/// Returns a connect to run beside the acquire that waits; `None` if its pool is gone.
fn start_probe(waiter: &Handle) -> Option<BoxFuture<'static, ()>> {
    let pool = registry::find(waiter.pool.id())?;
    let probing = Probing(Arc::clone(&waiter.pool));
    let connect = pool.connect();
    Some(Box::pin(async move {
        let probing = probing;
        let (granted_before, asked) = (probing.0.granted(), Instant::now());
        let result = connect.await;
        if let Err(error) = &result {
            probing.0.note_failed_connect(asked, granted_before, error);
        }
        probing.0.probes.end(Instant::now(), result);
    }))
}

/// A connect that runs. If it is dropped before its end, it is recorded as given up.
struct Probing(Arc<PoolState>);

impl Drop for Probing {
    fn drop(&mut self) {
        self.0.probes.give_up(Instant::now());
    }
}
