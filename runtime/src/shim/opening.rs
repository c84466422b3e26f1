//! Making a pool: its options connect it.
//!
//! The first connect is tracked as a wait for a permit. sqlx has not made the pool by then, so a stand-in takes its
//! place.

use std::future::Future;
use std::panic::Location;
use std::sync::{Arc, Weak};

use futures_core::future::BoxFuture;
use sqlx::{ConnectOptions, Connection, Database, Error};

use super::in_memory;
use super::known::{self, OptionsOf};
use super::made::Made;
use super::options::PoolOptions;
use super::pool::Pool;
use crate::lifecycle::acquire::Opening;
use crate::lifecycle::making::{self, Making, NotMade};
use crate::lifecycle::startup;
use crate::lint::Reaction;
use crate::pool_state::PoolState;
use crate::pool_state::connections::Counts;
use crate::pool_state::endpoint::Endpoint;
use crate::pool_state::registry::ErasedPool;
use crate::scope::origin::{self, Origin};
use crate::source::place::Place;

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
    /// In a debug build, the future panics where a lint is at deny and its finding is certain: `pool_timeout` if the
    /// first connect times out, `pool_settings` when the pool is made.
    #[track_caller]
    pub fn connect(self, url: &str) -> impl Future<Output = Result<Pool<DB>, Error>> {
        let place = origin::caller(Location::caller());
        Making::new(async move { open(self, url.parse()?, Some(url), place).await })
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
        Making::new(open(self, options, None, place))
    }

    /// Makes a pool that opens connections when they are needed.
    ///
    /// # Errors
    ///
    /// If the URL cannot be parsed.
    ///
    /// # Panics
    ///
    /// In a debug build, where `pool_settings` is at deny and its finding is certain.
    #[track_caller]
    pub fn connect_lazy(self, url: &str) -> Result<Pool<DB>, Error> {
        let place = origin::caller(Location::caller());
        let (pool, judged) = open_lazily(self, url.parse()?, Some(url), place);
        making::act_on(judged);
        Ok(pool)
    }

    /// Makes a pool with the given connect options, which opens connections when they are needed.
    ///
    /// # Panics
    ///
    /// As [`connect_lazy`](PoolOptions::connect_lazy).
    #[track_caller]
    pub fn connect_lazy_with(self, options: <DB::Connection as Connection>::Options) -> Pool<DB> {
        let place = origin::caller(Location::caller());
        let (pool, judged) = open_lazily(self, options, None, place);
        making::act_on(judged);
        pool
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
    ///
    /// # Panics
    ///
    /// As [`PoolOptions::connect_lazy`].
    #[track_caller]
    pub fn connect_lazy(url: &str) -> Result<Self, Error> {
        PoolOptions::<DB>::new().connect_lazy(url)
    }

    /// Makes a pool with default options and the given connect options, which opens connections when they are needed.
    ///
    /// # Panics
    ///
    /// As [`PoolOptions::connect_lazy`].
    #[track_caller]
    pub fn connect_lazy_with(options: <DB::Connection as Connection>::Options) -> Self {
        PoolOptions::<DB>::new().connect_lazy_with(options)
    }
}

/// Stands in for the pool in the registry until sqlx has made it.
struct StandIn<DB: Database> {
    state: Arc<PoolState>,
    options: OptionsOf<DB>,
}

/// Makes a pool that connects lazily, and judges its settings. `url` is what its connect options were made from, if they were.
fn open_lazily<DB: Database>(
    pool: PoolOptions<DB>,
    options: OptionsOf<DB>,
    url: Option<&str>,
    place: Place,
) -> (Pool<DB>, Reaction) {
    let database = in_memory::database::<DB>(&options, url);
    let made = Made::of(pool);
    let opened = made.for_sqlx().connect_lazy_with(options);
    let pool = Pool::track(opened, place, made);
    let judged = making::judge(pool.state(), database);
    (pool, judged)
}

/// The same, with a connection that is opened at once.
async fn open<DB: Database>(
    pool: PoolOptions<DB>,
    options: OptionsOf<DB>,
    url: Option<&str>,
    place: Place,
) -> Result<(Pool<DB>, Reaction), NotMade> {
    startup::load();
    let made = Made::of(pool);
    let for_sqlx = made.for_sqlx();
    if startup::is_off() {
        let opened = for_sqlx.connect_with(options).await?;
        return Ok((Pool::track(opened, place, made), Reaction::Go));
    }
    let database = in_memory::database::<DB>(&options, url);
    let endpoint = known::endpoint::<DB>(&options);
    let counted = Arc::clone(&made.connections);
    let state = PoolState::new(endpoint, place, made.options.limits(), counted);
    // Marked as used, so that the stand-in logs no start line. The pool logs its own at its first use, under its name.
    let _ = state.is_first_use();
    let stand_in = Arc::new(StandIn::<DB> {
        state: Arc::clone(&state),
        options: options.clone(),
    });
    let pool_to_be: Weak<StandIn<DB>> = Arc::downgrade(&stand_in);
    startup::pool_made(pool_to_be, &state);
    let connect = for_sqlx.connect_with(options);
    let opened = Opening::new(Arc::clone(&state), Origin::UnlessPolled(place), connect)
        .await
        .map_err(|error| NotMade::failed(error, &state))?;
    // The pool takes the place of the stand-in, and its label.
    state.give_label_back();
    let pool = Pool::track(opened, place, made);
    drop(stand_in);
    let judged = making::judge(pool.state(), database);
    Ok((pool, judged))
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

    fn connections(&self) -> Option<Counts> {
        None
    }

    fn endpoint(&self) -> Endpoint {
        self.state.endpoint.clone()
    }

    fn identity(&self) -> Option<u64> {
        None
    }

    fn user(&self) -> Option<String> {
        known::user::<DB>(&self.options)
    }

    fn connect(&self) -> BoxFuture<'static, Result<(), Error>> {
        let options = self.options.clone();
        Box::pin(async move { options.connect().await?.close().await })
    }
}

impl<DB: Database> Drop for StandIn<DB> {
    fn drop(&mut self) {
        startup::pool_gone(self);
    }
}
