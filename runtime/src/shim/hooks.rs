//! The hooks that a program sets on a pool's options.
//!
//! sqlx's options neither show their hooks nor lose them. So these are kept apart, and handed over when a pool is made: each
//! pool has its own wrappers around them, also if its options are those of another pool. They run outside of all scopes, because
//! their statements are not the caller's.

use std::future::poll_fn;
use std::sync::Arc;

use futures_core::future::BoxFuture;
use sqlx::pool::PoolConnectionMetadata;
use sqlx::{Database, Error};

use crate::pool_state::connections::{Connections, Shown};
use crate::pool_state::endpoint;
use crate::scope::context;

/// Runs on each new connection.
type AfterConnect<DB> = dyn for<'c> Fn(
        &'c mut <DB as Database>::Connection,
        PoolConnectionMetadata,
    ) -> BoxFuture<'c, Result<(), Error>>
    + Send
    + Sync;

/// Runs on an idle connection, or on one that comes back. Returns whether the pool keeps it.
type Keep<DB> = dyn for<'c> Fn(
        &'c mut <DB as Database>::Connection,
        PoolConnectionMetadata,
    ) -> BoxFuture<'c, Result<bool, Error>>
    + Send
    + Sync;

/// The hooks of a program's options.
pub(super) struct Hooks<DB: Database> {
    pub(super) after_connect: Option<Arc<AfterConnect<DB>>>,
    pub(super) before_acquire: Option<Arc<Keep<DB>>>,
    pub(super) after_release: Option<Arc<Keep<DB>>>,
    /// Whether the options are plain sqlx's, which may have hooks of their own.
    pub(super) may_have_others: bool,
}

impl<DB: Database> Hooks<DB> {
    /// No hooks so far. `may_have_others` is whether sqlx's options may have some.
    pub(super) fn none(may_have_others: bool) -> Self {
        Self {
            after_connect: None,
            before_acquire: None,
            after_release: None,
            may_have_others,
        }
    }

    /// What they mean for the state that a holder leaves on its connection.
    pub(super) fn effect(&self) -> endpoint::Hooks {
        if self.before_acquire.is_some() || self.after_release.is_some() {
            endpoint::Hooks::MayUndo
        } else if self.may_have_others {
            endpoint::Hooks::Unknown
        } else {
            endpoint::Hooks::LeaveState
        }
    }

    /// Whether each connection that a pool opens passes through a hook of ours.
    pub(super) fn show_opens(&self) -> bool {
        !self.may_have_others || self.after_connect.is_some()
    }

    /// Sets them on the options of one pool, where they count for `connections`. They replace those that sqlx's options have,
    /// as they would if the program had set them there.
    pub(super) fn set_on(
        self,
        mut options: sqlx::pool::PoolOptions<DB>,
        connections: &Arc<Connections>,
    ) -> sqlx::pool::PoolOptions<DB> {
        if connections.are_counted() || self.after_connect.is_some() {
            options =
                options.after_connect(on_new::<DB>(self.after_connect, Arc::clone(connections)));
        }
        if let Some(hook) = self.before_acquire {
            options =
                options.before_acquire(on_known::<DB>(hook, connections, Some(Shown::AcquireOver)));
        }
        if let Some(hook) = self.after_release {
            // It is given up where a return is cut, which counts that itself.
            options = options.after_release(on_known::<DB>(hook, connections, None));
        }
        options
    }
}

/// The program's hook for a new connection, if it has one, behind the count.
fn on_new<DB: Database>(
    hook: Option<Arc<AfterConnect<DB>>>,
    connections: Arc<Connections>,
) -> Box<AfterConnect<DB>> {
    let Some(hook) = hook else {
        return Box::new(move |_, _| {
            connections.opened();
            connections.keeps_new();
            Box::pin(std::future::ready(Ok(())))
        });
    };
    Box::new(move |connection, meta| {
        connections.opened();
        let mut running = Running {
            connections: Arc::clone(&connections),
            close: Connections::closes_new,
            given_up: Some(Shown::AcquireOver),
            is_inside: true,
        };
        let hook = context::outside(|| hook(connection, meta));
        running.is_inside = false;
        Box::pin(async move {
            let connections = Arc::clone(&running.connections);
            let result = running.end(hook, |()| true).await;
            if result.is_ok() {
                connections.keeps_new();
            }
            result
        })
    })
}

/// The program's hook for a connection of the pool, which counts those that it does not keep. `given_up` is why the connection
/// is closed if the hook is dropped before its end.
fn on_known<DB: Database>(
    hook: Arc<Keep<DB>>,
    connections: &Arc<Connections>,
    given_up: Option<Shown>,
) -> Box<Keep<DB>> {
    let connections = Arc::clone(connections);
    Box::new(move |connection, meta| {
        let mut running = Running {
            connections: Arc::clone(&connections),
            close: Connections::closes,
            given_up,
            is_inside: true,
        };
        let hook = context::outside(|| hook(connection, meta));
        running.is_inside = false;
        Box::pin(running.end(hook, |keeps| *keeps))
    })
}

/// A hook that runs. Where it does not end well, its connection is closed.
struct Running {
    connections: Arc<Connections>,
    close: fn(&Connections, Shown),
    /// Why the connection is closed, if the hook is dropped before its end.
    given_up: Option<Shown>,
    /// Whether the hook's own code runs. If it is dropped meanwhile, the hook has panicked.
    is_inside: bool,
}

impl Running {
    /// Runs the hook to its end. `keeps` is whether the pool keeps the connection after it.
    async fn end<T>(
        mut self,
        mut hook: BoxFuture<'_, Result<T, Error>>,
        keeps: fn(&T) -> bool,
    ) -> Result<T, Error> {
        let result = poll_fn(|cx| {
            self.is_inside = true;
            let polled = context::outside(|| hook.as_mut().poll(cx));
            self.is_inside = false;
            polled
        })
        .await;
        let is_kept = result.as_ref().is_ok_and(keeps);
        self.given_up = (!is_kept).then_some(Shown::Hook);
        result
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let why = if self.is_inside {
            Some(Shown::Hook)
        } else {
            self.given_up
        };
        if let Some(why) = why {
            (self.close)(&self.connections, why);
        }
    }
}

impl<DB: Database> Clone for Hooks<DB> {
    fn clone(&self) -> Self {
        Self {
            after_connect: self.after_connect.clone(),
            before_acquire: self.before_acquire.clone(),
            after_release: self.after_release.clone(),
            ..*self
        }
    }
}
