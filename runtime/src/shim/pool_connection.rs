//! The tracked `PoolConnection`.

use std::fmt;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::Ordering::Relaxed;

use sqlx::{Database, Error};

use super::conn::Conn;

/// sqlx's `PoolConnection`, tracked. Given back to the pool when dropped.
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

    /// Closes this connection; the pool may then open another. The permit is kept until it is closed.
    pub async fn close(self) -> Result<(), Error> {
        let (_held, connection) = self.conn.take_pooled();
        connection.close().await
    }

    /// Has this connection closed when it is dropped, instead of given back.
    pub fn close_on_drop(&mut self) {
        self.conn.close_on_drop();
    }

    /// Takes the connection out of the pool, which may then open another. The handle ends.
    pub fn detach(self) -> DB::Connection {
        let (held, connection) = self.conn.take_pooled();
        if let Some(held) = &held {
            held.handle().pool.counters.detached.fetch_add(1, Relaxed);
        }
        drop(held);
        connection.detach()
    }

    /// Takes the connection and keeps its permit for ever. The handle stays: it is never given back.
    pub fn leak(self) -> DB::Connection {
        let (held, connection) = self.conn.take_pooled();
        if let Some(held) = held {
            held.leak();
        }
        connection.leak()
    }

    #[doc(hidden)]
    pub fn return_to_pool(&mut self) -> impl Future<Output = ()> + Send + use<DB> + 'static {
        // Afterwards the value holds nothing any more, as sqlx's does not.
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
