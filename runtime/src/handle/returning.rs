//! A connection on its way back: its holder has released it, and its permit is not free yet.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use futures_core::future::BoxFuture;

use super::held::Held;
use super::unread::Unread;
use super::{Handle, Standing, live};
use crate::pool_state::connections::Shown;
use crate::{config, log};

impl Held {
    /// Releases the handle. The returned future returns its connection: the permit is free once that future has ended.
    ///
    /// `give_back` is sqlx's own return of the connection. It is boxed because it is large (13 KB for PostgreSQL): the
    /// caller spawns the returned future, and a task is copied several times on its way to the heap.
    pub(crate) fn return_by(
        self,
        give_back: BoxFuture<'static, ()>,
    ) -> impl Future<Output = ()> + Send + use<> + 'static {
        let handle = self.end();
        handle.pool.permits.give_back();
        handle.release();
        let give_back = match handle.unread() {
            Some(_) => observed(&handle, give_back),
            None => give_back,
        };
        let returning = Returning { handle };
        async move {
            let (mut give_back, returning) = (give_back, returning);
            match config::return_timeout() {
                None => give_back.await,
                Some(limit) => {
                    if sqlx_core::rt::timeout(limit, &mut give_back).await.is_err() {
                        let handle = &returning.handle;
                        handle.closes_connection(Shown::Cancelled);
                        // Dropped before its end, it closes the connection and frees the permit.
                        drop(give_back);
                        handle.pool.counters.returns_cut.fetch_add(1, Relaxed);
                        log::return_cut(handle.place, &handle.pool, limit);
                    }
                }
            }
        }
    }
}

/// Notes when `give_back` is polled.
fn observed(handle: &Arc<Handle>, mut give_back: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
    let handle = Arc::clone(handle);
    Box::pin(poll_fn(move |cx| {
        handle.progress.begin_poll(handle.asked.elapsed());
        let polled = give_back.as_mut().poll(cx);
        handle.progress.end_poll(handle.asked.elapsed());
        polled
    }))
}

impl Handle {
    /// The statement whose rest the driver reads before anything else.
    pub(crate) fn unread(&self) -> Option<Unread> {
        self.state().unread
    }

    /// What the connection reads on its way back. `None` if nothing is left unread, or if the return does not go on: in
    /// the second half of its time, until `now`, it was not polled.
    pub(crate) fn reads_on(&self, now: Instant) -> Option<Unread> {
        let Standing::Returning(since) = self.glance().standing else {
            return None;
        };
        let goes_on = self.progress.last().is_none_or(|last| {
            let rests = now.saturating_duration_since(self.asked + last);
            rests < now.saturating_duration_since(since) / 2
        });
        self.unread().filter(|unread| unread.answered && goes_on)
    }

    /// The statement that was dropped before its answer came, and may still run while the connection is on its way back.
    pub(crate) fn runs_on(&self) -> Option<Unread> {
        let Standing::Returning(_) = self.glance().standing else {
            return None;
        };
        self.unread().filter(|unread| !unread.answered)
    }
}

/// A handle on its way back. Dropping the guard removes its claim.
struct Returning {
    handle: Arc<Handle>,
}

impl Drop for Returning {
    fn drop(&mut self) {
        self.handle.pool.permits.returned();
        live::remove(self.handle.id);
    }
}
