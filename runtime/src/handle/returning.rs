//! A connection on its way back: its holder is done with it, and its permit is not there again yet.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::future::BoxFuture;
use pin_project_lite::pin_project;

use super::{Handle, Held, live};
use crate::{config, report};

impl Held {
    /// The holder is done with it; the permit is there again when what `give_back` makes has ended.
    ///
    /// What it makes is large: made here, it is moved the least.
    #[inline]
    pub(crate) fn return_by<F>(self, give_back: impl FnOnce() -> F) -> Return<F>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let handle = self.end();
        handle.pool.permits.give_back();
        handle.release();
        let returning = Some(Returning { handle });
        match config::return_timeout() {
            None => Return {
                give_back: GiveBack::Unlimited {
                    give_back: give_back(),
                },
                returning,
            },
            Some(limit) => Return {
                give_back: GiveBack::Limited {
                    give_back: cut(limit, give_back()),
                },
                returning,
            },
        }
    }
}

/// Dropped half-way, `give_back` closes the connection and frees the permit.
fn cut(
    limit: Duration,
    give_back: impl Future<Output = ()> + Send + 'static,
) -> BoxFuture<'static, Result<(), Duration>> {
    Box::pin(async move {
        let returned = sqlx_core::rt::timeout(limit, give_back).await;
        returned.map_err(|_| limit)
    })
}

pin_project! {
    /// A connection on its way back into its pool. No larger than what sqlx runs for it: it becomes a task of its own.
    #[must_use = "the connection is on its way only while this is polled"]
    pub(crate) struct Return<F> {
        #[pin]
        give_back: GiveBack<F>,
        returning: Option<Returning>,
    }
}

pin_project! {
    #[project = GivingBack]
    enum GiveBack<F> {
        Unlimited { #[pin] give_back: F },
        Limited { give_back: BoxFuture<'static, Result<(), Duration>> },
    }
}

impl<F: Future<Output = ()>> Future for Return<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let cut = match this.give_back.project() {
            GivingBack::Unlimited { give_back } => {
                ready!(give_back.poll(cx));
                None
            }
            GivingBack::Limited { give_back } => ready!(give_back.as_mut().poll(cx)).err(),
        };
        if let Some(returning) = this.returning.take()
            && let Some(limit) = cut
        {
            report::return_cut(&returning.handle, limit);
        }
        Poll::Ready(())
    }
}

/// A handle on its way back.
struct Returning {
    handle: Arc<Handle>,
}

impl Drop for Returning {
    fn drop(&mut self) {
        self.handle.pool.permits.returned();
        live::remove(self.handle.id);
    }
}
