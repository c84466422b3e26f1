//! A driver's connection together with its handle.

use std::fmt;
use std::sync::Arc;

use sqlx::Database;

use super::lent;
use crate::handle::Handle;

/// A driver's connection, and the handle under which it is used, if it has one.
#[doc(hidden)]
pub struct Tracked<'e, DB: Database> {
    pub(super) handle: Option<Arc<Handle>>,
    /// Whether the handle has lent the connection as a plain one.
    pub(super) is_lent: bool,
    pub(super) connection: &'e mut DB::Connection,
}

impl<DB: Database> fmt::Debug for Tracked<'_, DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracked")
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}

/// Finds the handle that lent a driver's connection, for the implementations of `AnyConn` that `impl_backend!` writes.
#[doc(hidden)]
pub fn tracked_borrowed<DB: Database>(connection: &mut DB::Connection) -> Tracked<'_, DB> {
    Tracked {
        handle: lent::of(connection),
        is_lent: true,
        connection,
    }
}
