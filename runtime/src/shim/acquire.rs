//! `Acquire`: the tracked trait in sqlx's shape, and implementations of sqlx's own for the migrator.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::Location;

use futures_core::future::BoxFuture;
use sqlx::{Database, Error};

use super::any_conn::AnyConn;
use super::conn::Conn;
use super::pool::Pool;
use super::pool_connection::PoolConnection;
use super::transaction::Transaction;
use crate::handle::asked::Purpose;
use crate::scope::origin::{self, Origin};

/// sqlx's `Acquire`, which returns tracked connections and transactions.
///
/// # Panics
///
/// The futures of `&Pool` panic as that of [`Pool::acquire`]. The other implementors acquire no permit, and no lint
/// stops them.
#[diagnostic::on_unimplemented(
    note = "a pool that another crate has made with plain sqlx becomes a tracked one by `sqlx::Pool::from(pool)`"
)]
pub trait Acquire<'c> {
    /// The database.
    type Database: Database;

    /// The connection. It dereferences to a tracked one, which dereferences to the driver's.
    type Connection: Deref<Target = dyn AnyConn<Self::Database> + 'c> + DerefMut + Send;

    /// Acquires a connection from a pool, or borrows the one that the implementor has.
    ///
    /// # Panics
    ///
    /// The future of a `&Pool` panics in a debug build where `pool_deadlock` (denied by default), `pool_timeout` or
    /// `nested_acquire` is at deny and its finding is certain.
    fn acquire(self) -> BoxFuture<'c, Result<Self::Connection, Error>>;

    /// Begins a transaction, or a savepoint inside one.
    ///
    /// # Panics
    ///
    /// The future of a `&Pool` panics as that of [`acquire`](Acquire::acquire).
    fn begin(self) -> BoxFuture<'c, Result<Transaction<'c, Self::Database>, Error>>;
}

/// A pool's connection, as the [`Acquire`] of `&Pool` returns it.
pub struct Acquired<'c, DB: Database> {
    conn: Conn<'c, DB>,
}

impl<'c, DB: Database> Acquired<'c, DB> {
    pub(super) fn new(conn: Conn<'c, DB>) -> Self {
        Self { conn }
    }
}

impl<'c, DB: Database> Deref for Acquired<'c, DB> {
    type Target = dyn AnyConn<DB> + 'c;

    #[inline]
    fn deref(&self) -> &Self::Target {
        &self.conn
    }
}

impl<DB: Database> DerefMut for Acquired<'_, DB> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.conn
    }
}

impl<DB: Database> AsRef<DB::Connection> for Acquired<'_, DB> {
    fn as_ref(&self) -> &DB::Connection {
        &self.conn
    }
}

impl<'c, DB: Database> Acquired<'c, DB> {
    pub(super) fn conn(&self) -> &Conn<'c, DB> {
        &self.conn
    }
}

impl<DB: Database> AsMut<DB::Connection> for Acquired<'_, DB> {
    fn as_mut(&mut self) -> &mut DB::Connection {
        &mut self.conn
    }
}

impl<DB: Database> fmt::Debug for Acquired<'_, DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquired").finish_non_exhaustive()
    }
}

impl<'c, DB: Database> Acquire<'c> for &'_ Pool<DB> {
    type Database = DB;
    type Connection = Acquired<'c, DB>;

    #[track_caller]
    fn acquire(self) -> BoxFuture<'c, Result<Self::Connection, Error>> {
        let (pool, origin) = (self.clone(), Origin::caller(Location::caller()));
        Box::pin(async move { Ok(Acquired::new(pool.take(origin, Purpose::Connection).await?)) })
    }

    #[track_caller]
    fn begin(self) -> BoxFuture<'c, Result<Transaction<'c, DB>, Error>> {
        let (pool, origin) = (self.clone(), Origin::caller(Location::caller()));
        Box::pin(async move {
            Transaction::begin_on(pool.take(origin, Purpose::Connection).await?, None).await
        })
    }
}

macro_rules! acquire_from_borrowed {
    ($ty:ty, |$this:ident| $conn:expr) => {
        impl<'c, DB: Database> Acquire<'c> for &'c mut $ty {
            type Database = DB;
            type Connection = &'c mut (dyn AnyConn<DB> + 'c);

            fn acquire(self) -> BoxFuture<'c, Result<Self::Connection, Error>> {
                let $this = self;
                Box::pin(std::future::ready(Ok($conn as Self::Connection)))
            }

            fn begin(self) -> BoxFuture<'c, Result<Transaction<'c, DB>, Error>> {
                let $this = self;
                Box::pin(Transaction::begin_on(
                    Conn::from_tracked($conn.tracked()),
                    None,
                ))
            }
        }

        // sqlx's own trait, for the migrator.
        impl<'c, DB: Database> sqlx::Acquire<'c> for &'c mut $ty {
            type Database = DB;
            type Connection = &'c mut DB::Connection;

            fn acquire(self) -> BoxFuture<'c, Result<Self::Connection, Error>> {
                let $this = self;
                Box::pin(std::future::ready(Ok($conn.lend())))
            }

            fn begin(self) -> BoxFuture<'c, Result<sqlx::Transaction<'c, DB>, Error>> {
                let $this = self;
                sqlx::Transaction::begin($conn.lend(), None)
            }
        }
    };
}

acquire_from_borrowed!(PoolConnection<DB>, |this| this.conn_mut());
acquire_from_borrowed!(Transaction<'_, DB>, |this| this.conn_mut());
acquire_from_borrowed!(Conn<'_, DB>, |this| this);
acquire_from_borrowed!((dyn AnyConn<DB> + '_), |this| this);

/// A pool's connection for plain sqlx. The statements on it are not seen, but its handle is.
pub struct LentConnection<DB: Database> {
    conn: Conn<'static, DB>,
    by_migrator: bool,
}

impl<DB: Database> Deref for LentConnection<DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &Self::Target {
        &self.conn
    }
}

impl<DB: Database> DerefMut for LentConnection<DB> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.conn
    }
}

impl<DB: Database> Drop for LentConnection<DB> {
    fn drop(&mut self) {
        // The migrator may have been cancelled inside sqlx's own `begin`, or while it held its session lock. Only
        // closing the connection certainly ends both. SQLite is left out: its driver ends its transactions itself, and
        // an in-memory database is lost with its last connection.
        let on_a_server = self
            .conn
            .handle()
            .is_some_and(|handle| !handle.pool.endpoint.system.is_embedded());
        if self.by_migrator && on_a_server {
            self.conn.close_on_drop();
        }
    }
}

impl<DB: Database> fmt::Debug for LentConnection<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LentConnection").finish_non_exhaustive()
    }
}

impl<'c, DB: Database> sqlx::Acquire<'c> for &'_ Pool<DB> {
    type Database = DB;
    type Connection = LentConnection<DB>;

    #[track_caller]
    fn acquire(self) -> BoxFuture<'c, Result<Self::Connection, Error>> {
        let caller = Location::caller();
        let by_migrator =
            caller.file().contains("sqlx-core") && caller.file().ends_with("migrator.rs");
        let (pool, origin) = (self.clone(), Origin::caller(caller));
        Box::pin(async move {
            Ok(LentConnection {
                conn: pool.take(origin, Purpose::Connection).await?,
                by_migrator,
            })
        })
    }

    #[track_caller]
    fn begin(self) -> BoxFuture<'c, Result<sqlx::Transaction<'c, DB>, Error>> {
        let pool = self.lend(origin::caller(Location::caller())).clone();
        // Spawned, so that it completes even if the caller is cancelled: when sqlx's `begin` is dropped before its end,
        // the connection goes back to the pool inside a transaction.
        let begun = sqlx_core::rt::spawn(async move { pool.begin().await });
        // Not a no-op: rebuilding the `Ok` shortens the transaction's lifetime from `'static` to `'c`.
        Box::pin(async move {
            match begun.await {
                Ok(transaction) => Ok(transaction),
                Err(error) => Err(error),
            }
        })
    }
}

/// Begins a transaction on a driver's connection, for the implementations of [`Acquire`] that `impl_backend!` writes.
#[doc(hidden)]
pub fn begin_borrowed<'c, DB: Database>(
    connection: &'c mut DB::Connection,
) -> BoxFuture<'c, Result<Transaction<'c, DB>, Error>> {
    Box::pin(Transaction::begin_on(Conn::borrowed(connection), None))
}
