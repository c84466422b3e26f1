//! The hooks that a program sets on a pool's options.
//!
//! sqlx's options neither show their hooks nor lose them. So these are kept apart, and handed over when a pool is made: each
//! pool has its own wrappers around them, also if its options are those of another pool.

use std::sync::Arc;

use futures_core::future::BoxFuture;
use sqlx::pool::PoolConnectionMetadata;
use sqlx::{Database, Error};

use crate::pool_state::connections::Connections;
use crate::pool_state::endpoint;

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
                options.after_connect(counted::<DB>(self.after_connect, Arc::clone(connections)));
        }
        if let Some(hook) = self.before_acquire {
            options = options.before_acquire(move |connection, meta| hook(connection, meta));
        }
        if let Some(hook) = self.after_release {
            options = options.after_release(move |connection, meta| hook(connection, meta));
        }
        options
    }
}

/// The program's hook for a new connection, if it has one, behind the count.
fn counted<DB: Database>(
    hook: Option<Arc<AfterConnect<DB>>>,
    connections: Arc<Connections>,
) -> Box<AfterConnect<DB>> {
    match hook {
        Some(hook) => Box::new(move |connection, meta| {
            connections.opened();
            hook(connection, meta)
        }),
        None => Box::new(move |_, _| {
            connections.opened();
            Box::pin(std::future::ready(Ok(())))
        }),
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
