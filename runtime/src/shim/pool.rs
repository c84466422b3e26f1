//! The tracked `Pool`: sqlx's 18 methods with sqlx's signatures and timing.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::{Arc, Weak};

use dashmap::DashMap;
use futures_core::future::BoxFuture;
use futures_util::TryFutureExt;
use once_cell::sync::Lazy;
use rustc_hash::FxBuildHasher;
use sqlx::pool::CloseEvent;
use sqlx::{ConnectOptions, Connection, Database, Error, SqlSafeStr};

use super::conn::Conn;
use super::known;
use super::options::PoolOptions;
use super::pool_connection::PoolConnection;
use super::transaction::Transaction;
use crate::handle::asked::Purpose;
use crate::lifecycle::acquire::{self, Claiming};
use crate::lifecycle::startup;
use crate::pool_state::PoolState;
use crate::pool_state::endpoint::{Endpoint, Limits};
use crate::pool_state::registry::ErasedPool;
use crate::scope::origin::{self, Origin};
use crate::source::place::Place;

/// sqlx's `Pool`, tracked. Cheap to clone.
pub struct Pool<DB: Database>(Arc<Shared<DB>>);

/// What the clones of a pool share.
struct Shared<DB: Database> {
    pool: sqlx::Pool<DB>,
    options: PoolOptions<DB>,
    state: Arc<PoolState>,
}

/// By the address of sqlx's own pool: two tracked pools made from one sqlx pool are one.
static KNOWN: Lazy<DashMap<usize, Weak<dyn Any + Send + Sync>, FxBuildHasher>> =
    Lazy::new(DashMap::default);

fn address<DB: Database>(pool: &sqlx::Pool<DB>) -> usize {
    // The options live beside the pool's own state, for as long.
    std::ptr::from_ref(pool.options()).addr()
}

impl<DB: Database> Pool<DB> {
    /// The tracked pool of a pool of sqlx's; `connected` is where it was made.
    pub(super) fn track(pool: sqlx::Pool<DB>, connected: Place) -> Self {
        let address = address(&pool);
        let known = KNOWN
            .get(&address)
            .and_then(|known| known.value().upgrade());
        if let Some(shared) = known.and_then(|known| known.downcast::<Shared<DB>>().ok()) {
            return Self(shared);
        }
        startup::load();
        let endpoint = known::endpoint::<DB>(&pool.connect_options());
        let options = PoolOptions::from(pool.options().clone());
        let state = PoolState::new(
            endpoint,
            connected,
            Limits {
                max_connections: options.get_max_connections(),
                min_connections: options.get_min_connections(),
                acquire_timeout: options.get_acquire_timeout(),
            },
        );
        let shared = Arc::new(Shared {
            pool,
            options,
            state,
        });
        let as_any: Arc<dyn Any + Send + Sync> = Arc::clone(&shared) as _;
        // Somebody may have been faster: the first one stays.
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
        startup::pool_made(pool, shared.state.id());
        Self(shared)
    }

    pub(super) fn sqlx(&self) -> &sqlx::Pool<DB> {
        &self.0.pool
    }

    /// The pool as plain sqlx knows it: what plain sqlx takes of it from now on is not seen.
    pub(super) fn lend(&self, place: Place) -> &sqlx::Pool<DB> {
        self.state().lend(place);
        self.sqlx()
    }

    pub(super) fn state(&self) -> &Arc<PoolState> {
        &self.0.state
    }

    /// Takes a permit. No `async` block: one would keep a second copy of sqlx's future.
    pub(super) fn take(
        &self,
        origin: Origin,
        purpose: Purpose,
    ) -> impl Future<Output = Result<Conn<'static, DB>, Error>> + Send + use<DB> + 'static {
        let state = Arc::clone(&self.0.state);
        Claiming::new(state, origin, purpose, self.0.pool.acquire()).map_ok(Conn::pooled)
    }

    fn try_take(&self, origin: Origin) -> Option<Conn<'static, DB>> {
        let connection = self.0.pool.try_acquire()?;
        let held = acquire::try_acquired(&self.0.state, origin);
        Some(Conn::pooled((held, connection)))
    }

    /// Takes a connection, waiting up to `acquire_timeout`.
    #[track_caller]
    pub fn acquire(
        &self,
    ) -> impl Future<Output = Result<PoolConnection<DB>, Error>> + use<DB> + 'static {
        let origin = Origin::caller(Location::caller());
        self.take(origin, Purpose::Connection)
            .map_ok(PoolConnection::new)
    }

    /// Takes a connection if one is idle.
    #[track_caller]
    pub fn try_acquire(&self) -> Option<PoolConnection<DB>> {
        self.try_take(Origin::caller(Location::caller()))
            .map(PoolConnection::new)
    }

    /// Takes a connection and begins a transaction on it.
    #[track_caller]
    pub fn begin(&self) -> impl Future<Output = Result<Transaction<'static, DB>, Error>> {
        let (pool, origin) = (self.clone(), Origin::caller(Location::caller()));
        async move { Transaction::begin_on(pool.take(origin, Purpose::Connection).await?, None).await }
    }

    /// Takes a connection if one is idle, and begins a transaction on it.
    #[track_caller]
    pub fn try_begin(
        &self,
    ) -> impl Future<Output = Result<Option<Transaction<'static, DB>>, Error>> {
        let origin = Origin::caller(Location::caller());
        async move {
            match self.try_take(origin) {
                // Boxed, as in sqlx: the future is not `Sync`.
                Some(conn) => Transaction::begin(conn, None).await.map(Some),
                None => Ok(None),
            }
        }
    }

    /// Takes a connection and begins a transaction on it with a statement of one's own.
    #[track_caller]
    pub fn begin_with(
        &self,
        statement: impl SqlSafeStr,
    ) -> impl Future<Output = Result<Transaction<'static, DB>, Error>> {
        let (pool, origin) = (self.clone(), Origin::caller(Location::caller()));
        async move {
            Transaction::begin_on(
                pool.take(origin, Purpose::Connection).await?,
                Some(statement.into_sql_str()),
            )
            .await
        }
    }

    /// Takes a connection if one is idle, and begins a transaction on it with a statement of one's own.
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

    /// Closes the pool, at once for who wants a connection; the future waits for those who have one.
    #[track_caller]
    pub fn close(&self) -> impl Future<Output = ()> + '_ {
        let caller = origin::caller(Location::caller());
        let closed = self.0.pool.close();
        async move {
            let _waits = startup::closing_begins(&self.0.state, caller);
            closed.await;
        }
    }

    /// Whether [`close`](Pool::close) was called.
    pub fn is_closed(&self) -> bool {
        self.0.pool.is_closed()
    }

    /// A future that is ready when [`close`](Pool::close) is called.
    pub fn close_event(&self) -> CloseEvent {
        self.0.pool.close_event()
    }

    /// Connections open or being opened, idle ones among them.
    pub fn size(&self) -> u32 {
        self.0.pool.size()
    }

    /// Connections that nobody holds.
    pub fn num_idle(&self) -> usize {
        self.0.pool.num_idle()
    }

    /// The connect options.
    pub fn connect_options(&self) -> Arc<<DB::Connection as Connection>::Options> {
        self.0.pool.connect_options()
    }

    /// Sets the connect options for connections opened from now on.
    pub fn set_connect_options(&self, options: <DB::Connection as Connection>::Options) {
        self.0.pool.set_connect_options(options);
    }

    /// The pool's options.
    pub fn options(&self) -> &PoolOptions<DB> {
        &self.0.options
    }
}

impl<DB: Database> From<sqlx::Pool<DB>> for Pool<DB> {
    /// Tracks a pool of sqlx's. Two tracked pools made from one are one.
    #[track_caller]
    fn from(pool: sqlx::Pool<DB>) -> Self {
        let tracked = Self::track(pool, origin::caller(Location::caller()));
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

    fn connect(&self) -> BoxFuture<'static, Result<(), Error>> {
        let options = self.pool.connect_options();
        Box::pin(async move { options.connect().await?.close().await })
    }
}

/// As many as sqlx counts. It counts a connection that comes back after others can take it, and so may be below zero for a
/// moment.
fn idle(counted: usize, max_connections: u32) -> u32 {
    let counted = u32::try_from(counted).ok();
    counted.filter(|idle| *idle <= max_connections).unwrap_or(0)
}

impl<DB: Database> Drop for Shared<DB> {
    fn drop(&mut self) {
        startup::pool_gone(self.state.id());
        // Only an entry that is dead: the address may belong to another by now.
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
