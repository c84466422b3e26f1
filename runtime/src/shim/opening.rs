//! Making a pool: its options connect it.
//!
//! The first connect is tracked as a wait for a permit. sqlx has not made the pool by then, so a stand-in takes its
//! place.

use std::future::Future;
use std::panic::Location;
use std::sync::{Arc, Weak};

use futures_core::future::BoxFuture;
use sqlx::{ConnectOptions, Connection, Database, Error};

use super::known;
use super::options::PoolOptions;
use super::pool::Pool;
use crate::lifecycle::acquire::Opening;
use crate::lifecycle::startup;
use crate::pool_state::PoolState;
use crate::pool_state::endpoint::Endpoint;
use crate::pool_state::registry::ErasedPool;
use crate::scope::origin::{self, Origin};
use crate::source::place::Place;

type Options<DB> = <<DB as Database>::Connection as Connection>::Options;

impl<DB: Database> PoolOptions<DB> {
    #[doc(hidden)]
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "sqlx's signature")]
    pub fn parent(self, pool: Pool<DB>) -> Self {
        Self {
            inner: self.inner.parent(pool.sqlx().clone()),
            ..self
        }
    }

    /// Makes a pool, and opens at least one connection at once.
    ///
    /// # Errors
    ///
    /// If the URL cannot be parsed, or the first connect fails.
    ///
    /// # Panics
    ///
    /// In a debug build, the future panics if the first connect times out, where `pool_timeout` is at deny and its
    /// finding is certain.
    #[track_caller]
    pub fn connect(self, url: &str) -> impl Future<Output = Result<Pool<DB>, Error>> {
        let place = origin::caller(Location::caller());
        async move { open(self, url.parse()?, place).await }
    }

    /// Makes a pool with the given connect options, and opens at least one connection at once.
    ///
    /// # Errors
    ///
    /// If the first connect fails.
    ///
    /// # Panics
    ///
    /// As [`connect`](PoolOptions::connect).
    #[track_caller]
    pub fn connect_with(
        self,
        options: <DB::Connection as Connection>::Options,
    ) -> impl Future<Output = Result<Pool<DB>, Error>> + use<DB> {
        let place = origin::caller(Location::caller());
        open(self, options, place)
    }

    /// Makes a pool that opens connections when they are needed.
    ///
    /// # Errors
    ///
    /// If the URL cannot be parsed.
    #[track_caller]
    pub fn connect_lazy(self, url: &str) -> Result<Pool<DB>, Error> {
        let place = origin::caller(Location::caller());
        Ok(Pool::track(
            self.inner.connect_lazy(url)?,
            place,
            self.hooks,
        ))
    }

    /// Makes a pool with the given connect options, which opens connections when they are needed.
    #[track_caller]
    pub fn connect_lazy_with(self, options: <DB::Connection as Connection>::Options) -> Pool<DB> {
        let place = origin::caller(Location::caller());
        Pool::track(self.inner.connect_lazy_with(options), place, self.hooks)
    }
}

impl<DB: Database> Pool<DB> {
    /// Makes a pool with default options, and opens one connection at once.
    ///
    /// # Errors
    ///
    /// If the URL cannot be parsed, or the first connect fails.
    ///
    /// # Panics
    ///
    /// As [`PoolOptions::connect`].
    #[track_caller]
    pub fn connect(url: &str) -> impl Future<Output = Result<Self, Error>> {
        PoolOptions::<DB>::new().connect(url)
    }

    /// Makes a pool with default options and the given connect options, and opens one connection at once.
    ///
    /// # Errors
    ///
    /// If the first connect fails.
    ///
    /// # Panics
    ///
    /// As [`PoolOptions::connect`].
    #[track_caller]
    pub fn connect_with(
        options: <DB::Connection as Connection>::Options,
    ) -> impl Future<Output = Result<Self, Error>> + use<DB> {
        PoolOptions::<DB>::new().connect_with(options)
    }

    /// Makes a pool with default options, which opens connections when they are needed.
    ///
    /// # Errors
    ///
    /// If the URL cannot be parsed.
    #[track_caller]
    pub fn connect_lazy(url: &str) -> Result<Self, Error> {
        PoolOptions::<DB>::new().connect_lazy(url)
    }

    /// Makes a pool with default options and the given connect options, which opens connections when they are needed.
    #[track_caller]
    pub fn connect_lazy_with(options: <DB::Connection as Connection>::Options) -> Self {
        PoolOptions::<DB>::new().connect_lazy_with(options)
    }
}

/// Stands in for the pool in the registry until sqlx has made it.
struct StandIn<DB: Database> {
    state: Arc<PoolState>,
    options: Options<DB>,
}

/// Connects a pool that the program makes at `place`.
async fn open<DB: Database>(
    pool: PoolOptions<DB>,
    options: Options<DB>,
    place: Place,
) -> Result<Pool<DB>, Error> {
    startup::load();
    let hooks = pool.hooks;
    if startup::is_off() {
        let opened = pool.inner.connect_with(options).await?;
        return Ok(Pool::track(opened, place, hooks));
    }
    let state = PoolState::new(known::endpoint::<DB>(&options), place, pool.limits());
    // Marked as used, so that the stand-in logs no start line. The pool logs its own at its first use, under its name.
    let _ = state.is_first_use();
    let stand_in = Arc::new(StandIn::<DB> {
        state: Arc::clone(&state),
        options: options.clone(),
    });
    let pool_to_be: Weak<StandIn<DB>> = Arc::downgrade(&stand_in);
    startup::pool_made(pool_to_be, state.id());
    let connect = pool.inner.connect_with(options);
    let opened = Opening::new(state, Origin::UnlessPolled(place), connect).await?;
    Ok(Pool::track(opened, place, hooks))
}

impl<DB: Database> ErasedPool for StandIn<DB> {
    fn state(&self) -> &Arc<PoolState> {
        &self.state
    }

    // sqlx does not show its open connections before it returns the pool.
    fn size(&self) -> u32 {
        0
    }

    fn idle(&self) -> u32 {
        0
    }

    fn is_closed(&self) -> bool {
        false
    }

    fn endpoint(&self) -> Endpoint {
        self.state.endpoint.clone()
    }

    fn connect(&self) -> BoxFuture<'static, Result<(), Error>> {
        let options = self.options.clone();
        Box::pin(async move { options.connect().await?.close().await })
    }
}

impl<DB: Database> Drop for StandIn<DB> {
    fn drop(&mut self) {
        startup::pool_gone(self.state.id());
    }
}
