//! The methods that pools and handles have beyond sqlx's.

use std::panic::Location;

use sqlx::Database;

use super::acquire::Acquired;
use super::conn::Conn;
use super::pool::Pool;
use super::pool_connection::PoolConnection;
use super::transaction::Transaction;
use crate::scope::origin;

/// The methods that a pool has beyond sqlx's.
pub trait PoolExt: Sized {
    /// The pool's database.
    type Database: Database;

    /// Names the pool in logs, findings and configuration. Without a name, its address and database stand there.
    ///
    /// The clones of a pool share the name. Set it before the first use of the pool, which logs the pool's start line.
    #[must_use]
    fn named(self, name: impl Into<String>) -> Self;

    /// The pool as sqlx's own type, for crates that take it. The connections that they acquire are not seen: from this
    /// call on, the permits of the pool that no known handle holds count as lent.
    #[track_caller]
    fn as_sqlx(&self) -> &sqlx::Pool<Self::Database>;
}

impl<DB: Database> PoolExt for Pool<DB> {
    type Database = DB;

    fn named(self, name: impl Into<String>) -> Self {
        self.state().rename(&name.into());
        self
    }

    #[track_caller]
    fn as_sqlx(&self) -> &sqlx::Pool<DB> {
        self.lend(origin::caller(Location::caller()))
    }
}

/// The methods that a handle has beyond sqlx's.
pub trait HandleExt: Sized {
    /// Declares that this handle is meant to live long, and why. It is then exempt from the lints about leaks and
    /// holding, and is shown as reserved. The first reason stands.
    #[must_use]
    fn long_lived(self, reason: impl Into<String>) -> Self;
}

fn reserve<DB: Database>(conn: &Conn<'_, DB>, reason: impl Into<String>) {
    if let Some(handle) = conn.handle() {
        handle.reserve(reason.into());
    }
}

macro_rules! handle_ext {
    ($($ty:ty),*) => {$(
        impl<DB: Database> HandleExt for $ty {
            fn long_lived(self, reason: impl Into<String>) -> Self {
                reserve(&self, reason);
                self
            }
        }
    )*};
}

handle_ext!(PoolConnection<DB>, Transaction<'_, DB>);

impl<DB: Database> HandleExt for Acquired<'_, DB> {
    fn long_lived(self, reason: impl Into<String>) -> Self {
        reserve(self.conn(), reason);
        self
    }
}
