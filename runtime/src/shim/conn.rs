//! A connection under a handle: a pool's own, or a borrowed one.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex};

use sqlx::Database;

use super::in_use::{Tracked, tracked_borrowed};
use super::passage::{Acquired, Passage};
use super::{known, lent};
use crate::handle::Handle;
use crate::handle::held::Held;
use crate::lifecycle::{session, startup};
use crate::pool_state::connections::Shown;
use crate::scope::context;
use crate::sync;

/// The `Deref` target of a tracked connection or transaction.
///
/// `&mut Conn` is an [`Executor`](sqlx::Executor). It dereferences to the driver's own connection, which is then
/// *lent*: the queries that tracked functions send on it are still the handle's, what else is done with it is not seen.
///
/// # Panics
///
/// As an executor: in a debug build, a statement panics at its call site if it is the first one over a budget and
/// `query_budget` is at deny, which is the default; or if the server has failed its transaction and `failed_transaction`
/// is at deny. The future or stream panics when it is first polled, before anything is sent. It panics in place of an
/// error of SQLite for a database that is locked, if `database_locked` is at deny.
pub struct Conn<'c, DB: Database> {
    // Dropped first: the handle ends before sqlx's value, whose drop spawns a task and panics outside a runtime.
    permit: Permit,
    source: Source<'c, DB>,
    /// Makes this type `!UnwindSafe`, and with it every type that holds one. `#[track]` takes a value of such a type
    /// for one that may hold a handle.
    marker: PhantomData<Box<dyn Send + Sync>>,
}

/// The claim on the connection's permit.
enum Permit {
    /// This value owns the claim, and ends it when it is dropped.
    Own(Held),
    /// The value from which the connection is borrowed owns the claim.
    Borrowed(Arc<Handle>),
    /// The connection was lent as a plain one, and is used here. The value that lent it owns the claim.
    Lent(Arc<Handle>),
    /// There is none: the connection is not from a pool that is tracked.
    None,
}

enum Source<'c, DB: Database> {
    /// With the place in which its return will run. In a mutex, which is never locked, so that this type stays `Sync`.
    Pooled(sqlx::pool::PoolConnection<DB>, Mutex<Passage<DB>>),
    Borrowed(&'c mut DB::Connection),
    /// The connection was moved out, and the value is not used any more.
    Taken,
}

impl<DB: Database> Source<'_, DB> {
    #[inline]
    fn connection(&mut self) -> &mut DB::Connection {
        match self {
            Source::Pooled(connection, _) => connection,
            Source::Borrowed(connection) => connection,
            Source::Taken => unreachable!("{TAKEN}"),
        }
    }
}

const TAKEN: &str = "BUG: the connection was moved out of a `Conn` that is still used";

impl<'c, DB: Database> Conn<'c, DB> {
    fn build(permit: Permit, source: Source<'c, DB>) -> Self {
        Self {
            permit,
            source,
            marker: PhantomData,
        }
    }

    /// A pool's connection with the claim on its permit, which is `None` where everything is switched off.
    pub(super) fn pooled(held: Option<Held>, (connection, passage): Acquired<DB>) -> Self {
        Self::build(
            held.map_or(Permit::None, Permit::Own),
            Source::Pooled(connection, Mutex::new(passage)),
        )
    }

    /// A driver's connection that is borrowed, with the handle that lent it, if that is known.
    pub(super) fn borrowed(connection: &'c mut DB::Connection) -> Self {
        Self::from_tracked(tracked_borrowed(connection))
    }

    /// A connection that is borrowed from another `Conn`, with that one's handle.
    pub(super) fn from_tracked(tracked: Tracked<'c, DB>) -> Self {
        let permit = match tracked.handle {
            Some(handle) if tracked.is_lent => Permit::Lent(handle),
            Some(handle) => Permit::Borrowed(handle),
            None => Permit::None,
        };
        Self::build(permit, Source::Borrowed(tracked.connection))
    }

    /// Called when a transaction has begun. In a tracked function, one on a connection that belongs to no pool is watched,
    /// too. Returns the handle that stands for it.
    pub(super) fn watch(&mut self) -> Option<&Handle> {
        if let Permit::None = self.permit
            && !startup::is_off()
            && let Some(function) = context::function()
        {
            let system = known::system_of::<DB>(self.source.connection());
            let handle = Handle::without_permit(system, function.place());
            self.permit = Permit::Borrowed(handle);
        }
        self.handle().map(|handle| &**handle)
    }

    /// Whether the connection is of a pool, whose drop can close it.
    pub(super) fn has_permit(&self) -> bool {
        self.handle().is_some_and(|handle| !handle.pool.is_none())
    }

    pub(super) fn is_lent(&self) -> bool {
        matches!(self.permit, Permit::Lent(_))
    }

    pub(crate) fn handle(&self) -> Option<&Arc<Handle>> {
        match &self.permit {
            Permit::Own(held) => Some(held.handle()),
            Permit::Borrowed(handle) | Permit::Lent(handle) => Some(handle),
            Permit::None => None,
        }
    }

    /// The driver's connection, for use under the handle.
    pub(super) fn connection(&mut self) -> &mut DB::Connection {
        self.parts().1
    }

    /// The handle and the driver's connection at once, for use under the handle.
    #[inline]
    pub(super) fn parts(&mut self) -> (Option<&Arc<Handle>>, &mut DB::Connection) {
        let handle = match &self.permit {
            Permit::Own(held) => Some(held.handle()),
            Permit::Borrowed(handle) => Some(handle),
            Permit::Lent(handle) => return (Some(handle), self.source.connection()),
            Permit::None => None,
        };
        if let Some(handle) = handle {
            handle.take_back();
        }
        (handle, self.source.connection())
    }

    /// Has the pool's connection closed when it is dropped: it must not go back to the pool as it is.
    pub(super) fn poison(&mut self, why: Shown) {
        if let Some(handle) = self.handle() {
            handle.poison(why);
        }
    }

    pub(super) fn close_on_drop(&mut self) {
        self.poison(Shown::Program);
        if let Source::Pooled(connection, _) = &mut self.source {
            connection.close_on_drop();
        }
    }

    /// Returns the connection to its pool before the drop. The value must not be used afterwards.
    pub(super) fn give_back(&mut self) -> impl Future<Output = ()> + Send + use<DB> + 'static {
        let held = self.take_own();
        if let Some(held) = &held
            && !held.handle().is_poisoned()
        {
            session::goes_back(held.handle());
        }
        let returned = match &mut self.source {
            Source::Pooled(connection, _) => connection.return_to_pool(),
            Source::Borrowed(_) | Source::Taken => unreachable!("{TAKEN}"),
        };
        async move {
            match held {
                Some(held) => held.return_by(Box::pin(returned)).await,
                None => returned.await,
            }
        }
    }

    fn take_own(&mut self) -> Option<Held> {
        match std::mem::replace(&mut self.permit, Permit::None) {
            Permit::Own(held) => Some(held),
            Permit::Borrowed(_) | Permit::Lent(_) | Permit::None => None,
        }
    }

    /// Moves sqlx's own pool connection out, with the claim on its permit.
    pub(super) fn take_pooled(mut self) -> (Option<Held>, sqlx::pool::PoolConnection<DB>) {
        let held = self.take_own();
        match std::mem::replace(&mut self.source, Source::Taken) {
            Source::Pooled(connection, _) => (held, connection),
            Source::Borrowed(_) | Source::Taken => unreachable!("{TAKEN}"),
        }
    }
}

impl<DB: Database> Deref for Conn<'_, DB> {
    type Target = DB::Connection;

    #[inline]
    fn deref(&self) -> &DB::Connection {
        match &self.source {
            Source::Pooled(connection, _) => connection,
            Source::Borrowed(connection) => connection,
            Source::Taken => unreachable!("{TAKEN}"),
        }
    }
}

impl<DB: Database> DerefMut for Conn<'_, DB> {
    fn deref_mut(&mut self) -> &mut DB::Connection {
        let (handle, connection) = self.parts();
        if let Some(handle) = handle {
            lent::note(connection, handle);
        }
        connection
    }
}

impl<DB: Database> AsRef<DB::Connection> for Conn<'_, DB> {
    fn as_ref(&self) -> &DB::Connection {
        self
    }
}

impl<DB: Database> AsMut<DB::Connection> for Conn<'_, DB> {
    fn as_mut(&mut self) -> &mut DB::Connection {
        self
    }
}

impl<'c, DB: Database> From<&'c mut DB::Connection> for Conn<'c, DB> {
    fn from(connection: &'c mut DB::Connection) -> Self {
        Self::borrowed(connection)
    }
}

impl<DB: Database> fmt::Debug for Conn<'_, DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conn").finish_non_exhaustive()
    }
}

impl<DB: Database> Drop for Conn<'_, DB> {
    fn drop(&mut self) {
        let Some(held) = self.take_own() else {
            return;
        };
        let Source::Pooled(mut connection, passage) =
            std::mem::replace(&mut self.source, Source::Taken)
        else {
            return;
        };
        if held.handle().is_poisoned() {
            held.handle().closes_poisoned();
            // The handle ends first. sqlx spawns a task that closes the connection, and drops it if that takes 5 s.
            drop(held);
            connection.close_on_drop();
        } else {
            session::goes_back(held.handle());
            // The same as sqlx's own drop, but in a task that is followed to its end.
            let mut passage = sync::owned(passage);
            passage.begin_return(&mut connection);
            let returned = held.return_by(passage);
            // Outside a runtime `spawn` panics, and so does this drop if the pool keeps a minimum of connections. In
            // the other order the drop would panic while `spawn` unwinds, and abort the process.
            drop(connection);
            sqlx_core::rt::spawn(returned);
        }
    }
}
