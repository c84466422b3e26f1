//! A connection behind whatever holds it.

use std::fmt;
use std::ops::{Deref, DerefMut};

use sqlx::Database;

use super::conn::Conn;
use super::in_use::Tracked;

/// What a connection got through [`Acquire`](super::Acquire) dereferences to: a connection of a pool, of a transaction, or of
/// the driver's own.
///
/// A trait object, because `&'c mut` of it can be had from anything that holds a connection for longer than `'c`; of a
/// [`Conn`], which is named with its lifetime, it cannot. As an [`Executor`](sqlx::Executor) it is the same, and it
/// dereferences to the driver's connection as well.
pub trait AnyConn<DB: Database>: Send {
    /// The driver's connection.
    #[doc(hidden)]
    fn lent(&self) -> &DB::Connection;

    /// The driver's connection, for plain sqlx.
    #[doc(hidden)]
    fn lend(&mut self) -> &mut DB::Connection;

    /// The handle, where there is one, and the driver's connection for use under it.
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

    fn tracked(&mut self) -> Tracked<'_, DB> {
        let (handle, connection) = self.parts();
        Tracked {
            handle: handle.cloned(),
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
