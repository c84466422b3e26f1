//! The tracked `Pool`: sqlx's 18 methods with sqlx's signatures and timing.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::{Arc, Weak};
use std::time::Instant;

use dashmap::DashMap;
use futures_core::future::BoxFuture;
use once_cell::sync::Lazy;
use rustc_hash::FxBuildHasher;
use sqlx::pool::CloseEvent;
use sqlx::{ConnectOptions, Connection, Database, Error, SqlSafeStr};

use super::conn::Conn;
use super::made::Made;
use super::options::PoolOptions;
use super::passage::{Acquired, Acquiring, Passages};
use super::pool_connection::PoolConnection;
use super::transaction::Transaction;
use super::{identity, known};
use crate::handle::asked::Purpose;
use crate::handle::held::Held;
use crate::lifecycle::acquire::{self, Claiming};
use crate::lifecycle::startup;
use crate::pool_state::PoolState;
use crate::pool_state::endpoint::Endpoint;
use crate::pool_state::registry::ErasedPool;
use crate::scope::origin::{self, Origin};
use crate::source::place::Place;

/// sqlx's `Pool`, tracked. A clone is a reference to the same pool.
pub struct Pool<DB: Database>(Arc<Shared<DB>>);

/// The state that the clones of a pool share.
struct Shared<DB: Database> {
    pool: sqlx::Pool<DB>,
    options: PoolOptions<DB>,
    state: Arc<PoolState>,
    passages: Arc<Passages<DB>>,
}

/// The tracked pools, by the address of sqlx's own: two tracked pools made from one sqlx pool are one pool.
static KNOWN: Lazy<DashMap<usize, Weak<dyn Any + Send + Sync>, FxBuildHasher>> =
    Lazy::new(DashMap::default);

fn address<DB: Database>(pool: &sqlx::Pool<DB>) -> usize {
    // The options are a part of the pool's shared state, and live as long.
    std::ptr::from_ref(pool.options()).addr()
}

impl<DB: Database> Pool<DB> {
    /// Returns the tracked pool of one of sqlx's, which was made at `connected`.
    pub(super) fn track(pool: sqlx::Pool<DB>, connected: Place, made: Made<DB>) -> Self {
        let address = address(&pool);
        let known = KNOWN
            .get(&address)
            .and_then(|known| known.value().upgrade());
        if let Some(shared) = known.and_then(|known| known.downcast::<Shared<DB>>().ok()) {
            return Self(shared);
        }
        startup::load();
        let endpoint = known::endpoint::<DB>(&pool.connect_options());
        let Made {
            options,
            connections,
        } = made;
        let state = PoolState::new(endpoint, connected, options.limits(), connections);
        let shared = Arc::new(Shared {
            passages: Passages::of(&pool),
            pool,
            options,
            state,
        });
        let as_any: Arc<dyn Any + Send + Sync> = Arc::clone(&shared) as _;
        // Another thread may have been faster. The first entry stays.
        let mut entry = KNOWN
            .entry(address)
            .or_insert_with(|| Arc::downgrade(&as_any));
        let first = entry.upgrade().unwrap_or_else(|| {
            *entry = Arc::downgrade(&as_any);
            Arc::clone(&as_any)
        });
        drop(entry);
        if let Ok(first) = first.downcast::<Shared<DB>>()
            && !Arc::ptr_eq(&first, &shared)
        {
            return Self(first);
        }
        let pool: Weak<Shared<DB>> = Arc::downgrade(&shared);
        startup::pool_made(pool, &shared.state);
        Self(shared)
    }

    pub(super) fn sqlx(&self) -> &sqlx::Pool<DB> {
        &self.0.pool
    }

    /// Returns sqlx's own pool, and records that plain sqlx has it: the connections that it acquires are not seen.
    pub(super) fn lend(&self, place: Place) -> &sqlx::Pool<DB> {
        self.state().lend(place);
        self.sqlx()
    }

    /// The pool, whatever its database.
    pub(super) fn erased(&self) -> &dyn ErasedPool {
        &*self.0
    }

    pub(super) fn state(&self) -> &Arc<PoolState> {
        &self.0.state
    }

    /// Acquires a permit and its connection.
    pub(super) fn take(
        &self,
        origin: Origin,
        purpose: Purpose,
    ) -> impl Future<Output = Result<Conn<'static, DB>, Error>> + Send + use<DB> + 'static {
        self.claim(origin, purpose, Conn::pooled)
    }

    /// Acquires a permit, and makes a value of it. Not an `async` block, which would store the claim twice.
    fn claim<C, M>(
        &self,
        origin: Origin,
        purpose: Purpose,
        claimed: M,
    ) -> impl Future<Output = Result<C, Error>> + Send + use<DB, C, M> + 'static
    where
        M: Fn(Option<Held>, Acquired<DB>) -> C + Send + 'static,
    {
        let state = Arc::clone(&self.0.state);
        let acquiring = Acquiring::New(Arc::clone(&self.0.passages));
        Claiming::new(state, origin, purpose, acquiring, claimed)
    }

    fn try_take(&self, origin: Origin) -> Option<Conn<'static, DB>> {
        let connection = self.0.pool.try_acquire()?;
        let held = acquire::try_acquired(&self.0.state, origin);
        Some(Conn::pooled(
            held,
            (connection, Arc::clone(&self.0.passages).one()),
        ))
    }

    /// Acquires a connection, waiting up to [`acquire_timeout`](PoolOptions::acquire_timeout).
    ///
    /// # Errors
    ///
    /// [`Error::PoolTimedOut`] after that time, [`Error::PoolClosed`] once the pool is closed, or a connect's error.
    ///
    /// # Panics
    ///
    /// In a debug build, the future panics at its call site where a lint is at deny and its finding is certain:
    /// `pool_deadlock` (denied by default) while it waits, `pool_timeout` when it times out, `nested_acquire` when the
    /// permit is granted.
    #[track_caller]
    pub fn acquire(
        &self,
    ) -> impl Future<Output = Result<PoolConnection<DB>, Error>> + use<DB> + 'static {
        let origin = Origin::caller(Location::caller());
        self.claim(origin, Purpose::Connection, |held, acquired| {
            PoolConnection::new(Conn::pooled(held, acquired))
        })
    }

    /// Acquires a connection if one is idle, without waiting. No lint stops it.
    #[track_caller]
    pub fn try_acquire(&self) -> Option<PoolConnection<DB>> {
        self.try_take(Origin::caller(Location::caller()))
            .map(PoolConnection::new)
    }

    /// Acquires a connection and begins a transaction on it.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Pool::acquire), or the error of the begin.
    ///
    /// # Panics
    ///
    /// As [`acquire`](Pool::acquire).
    #[track_caller]
    pub fn begin(&self) -> impl Future<Output = Result<Transaction<'static, DB>, Error>> {
        let (pool, origin) = (self.clone(), Origin::caller(Location::caller()));
        async move { Transaction::begin_on(pool.take(origin, Purpose::Transaction).await?, None).await }
    }

    /// Acquires a connection if one is idle, without waiting, and begins a transaction on it. No lint stops it.
    #[track_caller]
    pub fn try_begin(
        &self,
    ) -> impl Future<Output = Result<Option<Transaction<'static, DB>>, Error>> {
        let origin = Origin::caller(Location::caller());
        async move {
            match self.try_take(origin) {
                // Boxed as in sqlx, so that this future is not `Sync` either.
                Some(conn) => Transaction::begin(conn, None).await.map(Some),
                None => Ok(None),
            }
        }
    }

    /// Acquires a connection and begins a transaction on it with the given statement.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Pool::acquire), or the error of the begin.
    ///
    /// # Panics
    ///
    /// As [`acquire`](Pool::acquire).
    #[track_caller]
    pub fn begin_with(
        &self,
        statement: impl SqlSafeStr,
    ) -> impl Future<Output = Result<Transaction<'static, DB>, Error>> {
        let (pool, origin) = (self.clone(), Origin::caller(Location::caller()));
        async move {
            Transaction::begin_on(
                pool.take(origin, Purpose::Transaction).await?,
                Some(statement.into_sql_str()),
            )
            .await
        }
    }

    /// Acquires a connection if one is idle, without waiting, and begins a transaction on it with the given statement.
    /// No lint stops it.
    #[track_caller]
    pub fn try_begin_with(
        &self,
        statement: impl SqlSafeStr,
    ) -> impl Future<Output = Result<Option<Transaction<'static, DB>>, Error>> {
        let origin = Origin::caller(Location::caller());
        async move {
            match self.try_take(origin) {
                Some(conn) => Transaction::begin(conn, Some(statement.into_sql_str()))
                    .await
                    .map(Some),
                None => Ok(None),
            }
        }
    }

    /// Closes the pool at the call: every acquire fails with [`Error::PoolClosed`] from here on, those that wait too.
    ///
    /// The future waits until every connection was given back and is closed. `close_blocked` reports the handles that
    /// it waits for.
    #[track_caller]
    pub fn close(&self) -> impl Future<Output = ()> + '_ {
        let caller = origin::caller(Location::caller());
        // What was closed before is not the program's doing.
        let _ = self.0.connections();
        let closed = self.0.pool.close();
        self.0.state.service.closes(Instant::now());
        async move {
            let _waits = startup::closing_begins(&self.0.state, caller);
            closed.await;
        }
    }

    /// Whether [`close`](Pool::close) was called.
    pub fn is_closed(&self) -> bool {
        self.0.pool.is_closed()
    }

    /// Returns a future that is ready when [`close`](Pool::close) is called.
    pub fn close_event(&self) -> CloseEvent {
        self.0.pool.close_event()
    }

    /// The number of connections, including idle ones and those that are being opened.
    pub fn size(&self) -> u32 {
        self.0.pool.size()
    }

    /// The number of idle connections.
    pub fn num_idle(&self) -> usize {
        self.0.pool.num_idle()
    }

    /// The connect options.
    pub fn connect_options(&self) -> Arc<<DB::Connection as Connection>::Options> {
        self.0.pool.connect_options()
    }

    /// Sets the connect options for the connections that the pool opens from here on.
    pub fn set_connect_options(&self, options: <DB::Connection as Connection>::Options) {
        self.0.pool.set_connect_options(options);
    }

    /// The pool's options.
    pub fn options(&self) -> &PoolOptions<DB> {
        &self.0.options
    }
}

impl<DB: Database> From<sqlx::Pool<DB>> for Pool<DB> {
    /// Tracks a pool of sqlx's. Two tracked pools made from one of sqlx's are one pool.
    #[track_caller]
    fn from(pool: sqlx::Pool<DB>) -> Self {
        let place = origin::caller(Location::caller());
        let made = Made::by_sqlx(&pool);
        let tracked = Self::track(pool, place, made);
        tracked.state().share();
        tracked
    }
}

impl<DB: Database> Clone for Pool<DB> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<DB: Database> fmt::Debug for Pool<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.pool.fmt(f)
    }
}

impl<DB: Database> ErasedPool for Shared<DB> {
    fn state(&self) -> &Arc<PoolState> {
        &self.state
    }

    fn size(&self) -> u32 {
        self.pool.size()
    }

    fn idle(&self) -> u32 {
        idle(self.pool.num_idle(), self.options.get_max_connections())
    }

    fn is_closed(&self) -> bool {
        self.pool.is_closed()
    }

    fn endpoint(&self) -> Endpoint {
        known::endpoint::<DB>(&self.pool.connect_options())
    }

    fn identity(&self) -> Option<u64> {
        if self.state.is_shared() {
            return None;
        }
        identity::of::<DB>(&self.pool.connect_options())
    }

    fn user(&self) -> Option<String> {
        known::user::<DB>(&self.pool.connect_options())
    }

    fn connect(&self) -> BoxFuture<'static, Result<(), Error>> {
        let options = self.pool.connect_options();
        Box::pin(async move { options.connect().await?.close().await })
    }
}

/// The number of idle connections, from sqlx's counter.
///
/// sqlx counts a connection that comes back only after another task may have taken it. Its counter may therefore wrap
/// below zero for a moment, which is read as none.
fn idle(counted: usize, max_connections: u32) -> u32 {
    let counted = u32::try_from(counted).ok();
    counted.filter(|idle| *idle <= max_connections).unwrap_or(0)
}

impl<DB: Database> Drop for Shared<DB> {
    fn drop(&mut self) {
        startup::pool_gone(self);
        // Only a dead entry is removed, because the address may belong to another pool by now.
        KNOWN.remove_if(&address(&self.pool), |_, known| known.strong_count() == 0);
    }
}

#[cfg(test)]
mod tests {
    use super::idle;

    #[test]
    fn fewer_than_no_idle_connections_are_none() {
        let counted = [0, 3, 5, 6, usize::MAX, usize::MAX - 1];
        assert_eq!(counted.map(|counted| idle(counted, 5)), [0, 3, 5, 0, 0, 0]);
        assert_eq!(idle(usize::MAX, u32::MAX), 0);
    }
}
