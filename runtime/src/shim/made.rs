//! What a pool is made from.

use std::sync::Arc;

use sqlx::Database;

use super::options::PoolOptions;
use crate::lifecycle::startup;
use crate::pool_state::connections::Connections;

/// What a pool is made from, as it stays after that.
pub(super) struct Made<DB: Database> {
    /// The program's. A pool that is made from them anew has hooks of its own.
    pub(super) options: PoolOptions<DB>,
    /// What the hooks of the pool count for.
    pub(super) connections: Arc<Connections>,
}

impl<DB: Database> Made<DB> {
    pub(super) fn of(options: PoolOptions<DB>) -> Self {
        let counts = !startup::is_off() && options.hooks.show_opens();
        let connections = if counts {
            Connections::counted(options.limits())
        } else {
            Connections::default()
        };
        Self {
            options,
            connections: Arc::new(connections),
        }
    }

    /// Of a pool that plain sqlx has made.
    pub(super) fn by_sqlx(pool: &sqlx::Pool<DB>) -> Self {
        Self {
            options: PoolOptions::from(pool.options().clone()),
            connections: Arc::default(),
        }
    }

    /// The options with which sqlx makes the pool.
    pub(super) fn for_sqlx(&self) -> sqlx::pool::PoolOptions<DB> {
        let options = self.options.clone();
        options.hooks.set_on(options.inner, &self.connections)
    }
}
