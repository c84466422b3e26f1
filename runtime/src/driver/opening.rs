//! A pool that opens its first connection: a wait like any other, before there is a pool to wait for.

use std::sync::{Arc, Weak};

use futures_core::future::BoxFuture;
use sqlx::{ConnectOptions, Connection, Database, Error};

use super::{Pool, known};
use crate::config;
use crate::context::Origin;
use crate::handle;
use crate::pool_state::{self, Endpoint, Gauge, Limits, PoolState};
use crate::site::Place;

type Options<DB> = <<DB as Database>::Connection as Connection>::Options;

/// Stands in for the pool until sqlx has made it.
struct StandIn<DB: Database> {
    state: Arc<PoolState>,
    options: Options<DB>,
}

/// Connects a pool, which is made at `place`.
pub(super) async fn open<DB: Database>(
    pool: sqlx::pool::PoolOptions<DB>,
    options: Options<DB>,
    place: Place,
) -> Result<Pool<DB>, Error> {
    config::load();
    if config::is_off() {
        return Ok(Pool::track(pool.connect_with(options).await?, place));
    }
    let limits = Limits {
        max_connections: pool.get_max_connections(),
        min_connections: pool.get_min_connections(),
        acquire_timeout: pool.get_acquire_timeout(),
    };
    let state = PoolState::new(known::endpoint::<DB>(&options), place, limits);
    // The pool that comes of it is told of when it is first used, under its name.
    let _ = state.is_first_use();
    let stand_in = Arc::new(StandIn::<DB> {
        state: Arc::clone(&state),
        options: options.clone(),
    });
    let gauge: Weak<StandIn<DB>> = Arc::downgrade(&stand_in);
    pool_state::register(gauge, state.id());
    let connect = pool.connect_with(options);
    let opened = handle::Opening::new(state, Origin::UnlessPolled(place), connect).await?;
    Ok(Pool::track(opened, place))
}

impl<DB: Database> Gauge for StandIn<DB> {
    fn state(&self) -> &Arc<PoolState> {
        &self.state
    }

    // What sqlx has open is not to be seen yet.
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
        pool_state::unregister(self.state.id());
    }
}
