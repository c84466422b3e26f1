//! A connection on its way back: its holder has released it, and its permit is not free yet.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::Instant;

use super::held::Held;
use super::unread::Unread;
use super::{Handle, Standing, live, spare};
use crate::pool_state::connections::Shown;
use crate::{config, log};

impl Held {
    /// Releases the handle. The returned future returns its connection: the permit is free once that future has ended.
    ///
    /// `give_back` is sqlx's own return of the connection, in an allocation because it is large: the caller spawns the
    /// returned future, and a task is copied several times on its way to the heap.
    pub(crate) fn return_by(
        self,
        give_back: impl Future<Output = ()> + Unpin + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let handle = self.end();
        handle.pool.permits.give_back();
        let reads = handle.release();
        let returning = Returning {
            handle: Some(handle),
        };
        async move {
            let (mut give_back, returning) = (give_back, returning);
            let handle = returning.handle();
            let mut polled = poll_fn(|cx| handle.poll_return(reads, &mut give_back, cx));
            let Some(limit) = config::return_timeout() else {
                return polled.await;
            };
            // On the heap, so that the task stays small without the limit.
            let ended = Box::pin(sqlx_core::rt::timeout(limit, &mut polled)).await;
            if ended.is_err() {
                handle.closes_connection(Shown::Cancelled);
                // Dropped before its end, it closes the connection and frees the permit.
                drop(give_back);
                handle.pool.counters.returns_cut.fetch_add(1, Relaxed);
                log::return_cut(handle.place, &handle.pool, limit);
            }
        }
    }
}

impl Handle {
    /// Polls the return of the connection, and notes when, if it `reads` what a statement has left.
    fn poll_return(
        &self,
        reads: bool,
        give_back: &mut (impl Future<Output = ()> + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if !reads {
            return Pin::new(give_back).poll(cx);
        }
        self.progress.begin_poll(self.asked.elapsed());
        let polled = Pin::new(give_back).poll(cx);
        self.progress.end_poll(self.asked.elapsed());
        polled
    }

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
    handle: Option<Arc<Handle>>,
}

impl Returning {
    fn handle(&self) -> &Arc<Handle> {
        self.handle.as_ref().expect("BUG: a return ends once")
    }
}

impl Drop for Returning {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            handle.pool.permits.returned();
            live::remove(handle.id);
            spare::keep(handle);
        }
    }
}
