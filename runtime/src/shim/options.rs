//! The tracked `PoolOptions`: sqlx's, which connect tracked pools.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use sqlx::pool::PoolConnectionMetadata;
use sqlx::{Database, Error};

use super::hooks::Hooks;
use crate::pool_state::endpoint::Limits;

/// sqlx's `PoolOptions`, which connect tracked pools.
pub struct PoolOptions<DB: Database> {
    pub(super) inner: sqlx::pool::PoolOptions<DB>,
    pub(super) hooks: Hooks<DB>,
    /// Whether the program has set `idle_timeout` here.
    pub(super) sets_idle_timeout: bool,
}

impl<DB: Database> PoolOptions<DB> {
    /// Options with sqlx's defaults.
    pub fn new() -> Self {
        Self::without_hooks(sqlx::pool::PoolOptions::new())
    }

    /// Options of sqlx's that are known to have no hooks.
    pub(super) fn without_hooks(inner: sqlx::pool::PoolOptions<DB>) -> Self {
        Self {
            inner,
            hooks: Hooks::none(false),
            sets_idle_timeout: false,
        }
    }

    /// What they mean for the pool's state.
    pub(super) fn limits(&self) -> Limits {
        Limits {
            max_connections: self.get_max_connections(),
            min_connections: self.get_min_connections(),
            acquire_timeout: self.get_acquire_timeout(),
            idle_timeout: self.get_idle_timeout(),
            max_lifetime: self.get_max_lifetime(),
            sets_idle_timeout: self.sets_idle_timeout
                || self.get_idle_timeout() != Some(Limits::IDLE_TIMEOUT),
            tests_before_acquire: self.get_test_before_acquire(),
            hooks: self.hooks.effect(),
        }
    }

    /// Whether `after_connect` is set; `None` if that is not known.
    pub(super) fn has_after_connect(&self) -> Option<bool> {
        let is_set = self.hooks.after_connect.is_some();
        (is_set || !self.hooks.may_have_others).then_some(is_set)
    }

    /// Replaces sqlx's options.
    fn set(
        self,
        set: impl FnOnce(sqlx::pool::PoolOptions<DB>) -> sqlx::pool::PoolOptions<DB>,
    ) -> Self {
        Self {
            inner: set(self.inner),
            ..self
        }
    }

    /// Sets the maximum number of connections.
    #[must_use]
    pub fn max_connections(self, max: u32) -> Self {
        self.set(|it| it.max_connections(max))
    }

    /// The maximum number of connections.
    pub fn get_max_connections(&self) -> u32 {
        self.inner.get_max_connections()
    }

    /// Sets the number of connections that the pool keeps open.
    #[must_use]
    pub fn min_connections(self, min: u32) -> Self {
        self.set(|it| it.min_connections(min))
    }

    /// The number of connections that the pool keeps open.
    pub fn get_min_connections(&self) -> u32 {
        self.inner.get_min_connections()
    }

    /// Sets the level at which sqlx logs the time that an acquire took.
    #[must_use]
    pub fn acquire_time_level(self, level: log::LevelFilter) -> Self {
        self.set(|it| it.acquire_time_level(level))
    }

    /// Sets the level at which sqlx logs slow acquires.
    #[must_use]
    pub fn acquire_slow_level(self, level: log::LevelFilter) -> Self {
        self.set(|it| it.acquire_slow_level(level))
    }

    /// Sets the time from which sqlx logs an acquire as slow.
    #[must_use]
    pub fn acquire_slow_threshold(self, threshold: Duration) -> Self {
        self.set(|it| it.acquire_slow_threshold(threshold))
    }

    /// The time from which sqlx logs an acquire as slow.
    pub fn get_acquire_slow_threshold(&self) -> Duration {
        self.inner.get_acquire_slow_threshold()
    }

    /// Sets the time after which an acquire fails.
    #[must_use]
    pub fn acquire_timeout(self, timeout: Duration) -> Self {
        self.set(|it| it.acquire_timeout(timeout))
    }

    /// The time after which an acquire fails.
    pub fn get_acquire_timeout(&self) -> Duration {
        self.inner.get_acquire_timeout()
    }

    /// Sets the age from which a connection is closed.
    #[must_use]
    pub fn max_lifetime(self, lifetime: impl Into<Option<Duration>>) -> Self {
        self.set(|it| it.max_lifetime(lifetime))
    }

    /// The age from which a connection is closed.
    pub fn get_max_lifetime(&self) -> Option<Duration> {
        self.inner.get_max_lifetime()
    }

    /// Sets the idle time from which a connection is closed.
    #[must_use]
    pub fn idle_timeout(self, timeout: impl Into<Option<Duration>>) -> Self {
        Self {
            sets_idle_timeout: true,
            ..self.set(|it| it.idle_timeout(timeout))
        }
    }

    /// The idle time from which a connection is closed.
    pub fn get_idle_timeout(&self) -> Option<Duration> {
        self.inner.get_idle_timeout()
    }

    /// Sets whether the pool pings an idle connection before it hands it out.
    #[must_use]
    pub fn test_before_acquire(self, test: bool) -> Self {
        self.set(|it| it.test_before_acquire(test))
    }

    /// Whether the pool pings an idle connection before it hands it out.
    pub fn get_test_before_acquire(&self) -> bool {
        self.inner.get_test_before_acquire()
    }

    #[doc(hidden)]
    #[must_use]
    pub fn __fair(self, fair: bool) -> Self {
        self.set(|it| it.__fair(fair))
    }

    /// Sets the hook that runs on each new connection.
    #[must_use]
    pub fn after_connect<F>(mut self, callback: F) -> Self
    where
        for<'c> F: Fn(&'c mut DB::Connection, PoolConnectionMetadata) -> BoxFuture<'c, Result<(), Error>>
            + 'static
            + Send
            + Sync,
    {
        self.hooks.after_connect = Some(Arc::new(callback));
        self
    }

    /// Sets the hook that runs on an idle connection before the pool hands it out.
    #[must_use]
    pub fn before_acquire<F>(mut self, callback: F) -> Self
    where
        for<'c> F: Fn(&'c mut DB::Connection, PoolConnectionMetadata) -> BoxFuture<'c, Result<bool, Error>>
            + 'static
            + Send
            + Sync,
    {
        self.hooks.before_acquire = Some(Arc::new(callback));
        self
    }

    /// Sets the hook that runs on a connection when it is given back.
    #[must_use]
    pub fn after_release<F>(mut self, callback: F) -> Self
    where
        for<'c> F: Fn(&'c mut DB::Connection, PoolConnectionMetadata) -> BoxFuture<'c, Result<bool, Error>>
            + 'static
            + Send
            + Sync,
    {
        self.hooks.after_release = Some(Arc::new(callback));
        self
    }
}

impl<DB: Database> From<sqlx::pool::PoolOptions<DB>> for PoolOptions<DB> {
    /// sqlx does not show which hooks its options have.
    fn from(inner: sqlx::pool::PoolOptions<DB>) -> Self {
        Self {
            inner,
            hooks: Hooks::none(true),
            sets_idle_timeout: false,
        }
    }
}

impl<DB: Database> Default for PoolOptions<DB> {
    fn default() -> Self {
        Self::new()
    }
}

impl<DB: Database> Clone for PoolOptions<DB> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            hooks: self.hooks.clone(),
            sets_idle_timeout: self.sets_idle_timeout,
        }
    }
}

impl<DB: Database> fmt::Debug for PoolOptions<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
