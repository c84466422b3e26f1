//! The connection that `Acquire` returns, whatever type holds it.

use std::fmt;
use std::ops::{Deref, DerefMut};

use sqlx::Database;

use super::conn::Conn;
use super::in_use::Tracked;

/// The `Deref` target of the connections that [`Acquire`](super::Acquire) returns: a pool's connection, a
/// transaction's, or the driver's own.
///
/// It is an [`Executor`](sqlx::Executor), and dereferences to the driver's connection, exactly as [`Conn`] does. It is
/// a trait object because every holder of a connection for longer than `'c` can be borrowed as `&'c mut dyn AnyConn`;
/// as `&'c mut Conn` it cannot, because the type of a [`Conn`] names its own lifetime.
///
/// # Panics
///
/// As an executor, it panics as [`Conn`] does.
pub trait AnyConn<DB: Database>: Send {
    /// The driver's connection, for reading.
    #[doc(hidden)]
    fn lent(&self) -> &DB::Connection;

    /// The driver's connection, for use by plain sqlx. Its handle counts as lent from here on.
    #[doc(hidden)]
    fn lend(&mut self) -> &mut DB::Connection;

    /// The driver's connection, for use under its handle, and the handle if it has one.
    #[doc(hidden)]
    fn tracked(&mut self) -> Tracked<'_, DB>;
}

impl<DB: Database> AnyConn<DB> for Conn<'_, DB> {
    fn lent(&self) -> &DB::Connection {
        self
    }

    fn lend(&mut self) -> &mut DB::Connection {
        self
    }

    #[inline]
    fn tracked(&mut self) -> Tracked<'_, DB> {
        let is_lent = self.is_lent();
        let (handle, connection) = self.parts();
        Tracked {
            handle: handle.cloned(),
            is_lent,
            connection,
        }
    }
}

impl<DB: Database> Deref for dyn AnyConn<DB> + '_ {
    type Target = DB::Connection;

    #[inline]
    fn deref(&self) -> &DB::Connection {
        self.lent()
    }
}

impl<DB: Database> DerefMut for dyn AnyConn<DB> + '_ {
    #[inline]
    fn deref_mut(&mut self) -> &mut DB::Connection {
        self.lend()
    }
}

impl<DB: Database> AsRef<DB::Connection> for dyn AnyConn<DB> + '_ {
    fn as_ref(&self) -> &DB::Connection {
        self.lent()
    }
}

impl<DB: Database> AsMut<DB::Connection> for dyn AnyConn<DB> + '_ {
    fn as_mut(&mut self) -> &mut DB::Connection {
        self.lend()
    }
}

impl<DB: Database> fmt::Debug for dyn AnyConn<DB> + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyConn").finish_non_exhaustive()
    }
}
