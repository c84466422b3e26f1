//! What pools and handles can do beside what sqlx's can.

use std::panic::Location;

use sqlx::Database;

use super::acquire::Acquired;
use super::conn::Conn;
use super::pool::Pool;
use super::pool_connection::PoolConnection;
use super::transaction::Transaction;
use crate::scope::origin;

/// What a pool can do beside what sqlx's can.
pub trait PoolExt: Sized {
    /// The pool's database.
    type Database: Database;

    /// Names the pool in logs, findings and configuration, in place of where it leads.
    #[must_use]
    fn named(self, name: impl Into<String>) -> Self;

    /// The pool as plain sqlx knows it, for crates that take sqlx's own type. What they take from it is not seen: from now
    /// on the pool's unexplained permits count as lent.
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

/// What a handle can do beside what sqlx's can.
pub trait HandleExt: Sized {
    /// Says that this handle is meant to live long, and why. It is then exempt from the lints about leaks and holding, and
    /// shown as reserved.
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
