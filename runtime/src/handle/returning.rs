//! A connection on its way back: its holder has released it, and its permit is not free yet.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use futures_core::future::BoxFuture;

use super::held::Held;
use super::{Handle, live};
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
        let returning = Returning { handle };
        async move {
            let (give_back, returning) = (give_back, returning);
            match config::return_timeout() {
                None => give_back.await,
                // When `give_back` is dropped before its end, it closes the connection and frees the permit.
                Some(limit) => {
                    if sqlx_core::rt::timeout(limit, give_back).await.is_err() {
                        let handle = &returning.handle;
                        handle.pool.counters.returns_cut.fetch_add(1, Relaxed);
                        log::return_cut(handle.place, &handle.pool, limit);
                    }
                }
            }
        }
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
