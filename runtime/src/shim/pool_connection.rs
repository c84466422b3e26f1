//! The tracked `PoolConnection`.

use std::fmt;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::Ordering::Relaxed;

use sqlx::{Database, Error};

use super::conn::Conn;
use crate::pool_state::connections::Shown;

/// sqlx's `PoolConnection`, tracked. Its drop returns the connection to the pool.
///
/// # Panics
///
/// The drop spawns a task, as in sqlx. Where tokio is the only runtime in the build, it panics outside of tokio.
pub struct PoolConnection<DB: Database> {
    conn: Conn<'static, DB>,
}

impl<DB: Database> PoolConnection<DB> {
    pub(super) fn new(conn: Conn<'static, DB>) -> Self {
        Self { conn }
    }

    pub(super) fn conn_mut(&mut self) -> &mut Conn<'static, DB> {
        &mut self.conn
    }

    /// Closes the connection gracefully. It has no timeout. The permit is held until the connection is closed;
    /// the pool may then open another.
    pub async fn close(self) -> Result<(), Error> {
        let (held, connection) = self.conn.take_pooled();
        if let Some(held) = &held {
            held.handle().closes_connection(Shown::Program);
        }
        connection.close().await
    }

    /// Makes the drop close the connection, instead of returning it to the pool.
    ///
    /// As in sqlx, the drop spawns a task that closes the connection gracefully. After 5 s the task gives up, and drops
    /// the connection without notifying the server. The handle ends at the drop; the permit is free once the connection
    /// is closed or dropped, after 5 s at most.
    pub fn close_on_drop(&mut self) {
        self.conn.close_on_drop();
    }

    /// Removes the connection from the pool, which may then open another. The permit is free at once, and the handle
    /// ends.
    pub fn detach(self) -> DB::Connection {
        let (held, connection) = self.conn.take_pooled();
        if let Some(held) = &held {
            held.handle().pool.counters.detached.fetch_add(1, Relaxed);
            held.handle().closes_connection(Shown::Program);
        }
        drop(held);
        connection.detach()
    }

    /// Removes the connection from the pool, and never frees its permit.
    ///
    /// The handle stays alive. `outlived_scope` reports it when its scope ends, unless
    /// [`long_lived`](crate::leash::HandleExt::long_lived) gave a reason.
    pub fn leak(self) -> DB::Connection {
        let (held, connection) = self.conn.take_pooled();
        if let Some(held) = held {
            held.leak();
        }
        connection.leak()
    }

    #[doc(hidden)]
    pub fn return_to_pool(&mut self) -> impl Future<Output = ()> + Send + use<DB> + 'static {
        // As in sqlx, the value has no connection afterwards.
        self.conn.give_back()
    }
}

impl<DB: Database> Deref for PoolConnection<DB> {
    type Target = Conn<'static, DB>;

    #[inline]
    fn deref(&self) -> &Self::Target {
        &self.conn
    }
}

impl<DB: Database> DerefMut for PoolConnection<DB> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.conn
    }
}

impl<DB: Database> AsRef<DB::Connection> for PoolConnection<DB> {
    fn as_ref(&self) -> &DB::Connection {
        &self.conn
    }
}

impl<DB: Database> AsMut<DB::Connection> for PoolConnection<DB> {
    fn as_mut(&mut self) -> &mut DB::Connection {
        &mut self.conn
    }
}

impl<DB: Database> From<PoolConnection<DB>> for Conn<'_, DB> {
    fn from(connection: PoolConnection<DB>) -> Self {
        connection.conn
    }
}

impl<DB: Database> fmt::Debug for PoolConnection<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolConnection").finish()
    }
}
