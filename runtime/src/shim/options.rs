//! The tracked `PoolOptions`: sqlx's, connecting tracked pools.

use std::fmt;
use std::time::Duration;

use futures_core::future::BoxFuture;
use sqlx::pool::PoolConnectionMetadata;
use sqlx::{Database, Error};

/// sqlx's `PoolOptions`, connecting tracked pools.
pub struct PoolOptions<DB: Database> {
    pub(super) inner: sqlx::pool::PoolOptions<DB>,
}

impl<DB: Database> PoolOptions<DB> {
    /// sqlx's defaults.
    pub fn new() -> Self {
        Self {
            inner: sqlx::pool::PoolOptions::new(),
        }
    }

    /// Sets the most connections the pool may have.
    #[must_use]
    pub fn max_connections(self, max: u32) -> Self {
        Self {
            inner: self.inner.max_connections(max),
        }
    }

    /// The most connections the pool may have.
    pub fn get_max_connections(&self) -> u32 {
        self.inner.get_max_connections()
    }

    /// Sets how many connections the pool keeps open.
    #[must_use]
    pub fn min_connections(self, min: u32) -> Self {
        Self {
            inner: self.inner.min_connections(min),
        }
    }

    /// How many connections the pool keeps open.
    pub fn get_min_connections(&self) -> u32 {
        self.inner.get_min_connections()
    }

    /// Sets the level at which sqlx logs how long acquires took.
    #[must_use]
    pub fn acquire_time_level(self, level: log::LevelFilter) -> Self {
        Self {
            inner: self.inner.acquire_time_level(level),
        }
    }

    /// Sets the level at which sqlx logs slow acquires.
    #[must_use]
    pub fn acquire_slow_level(self, level: log::LevelFilter) -> Self {
        Self {
            inner: self.inner.acquire_slow_level(level),
        }
    }

    /// Sets from when on an acquire is slow for sqlx's log.
    #[must_use]
    pub fn acquire_slow_threshold(self, threshold: Duration) -> Self {
        Self {
            inner: self.inner.acquire_slow_threshold(threshold),
        }
    }

    /// From when on an acquire is slow for sqlx's log.
    pub fn get_acquire_slow_threshold(&self) -> Duration {
        self.inner.get_acquire_slow_threshold()
    }

    /// Sets how long an acquire may take.
    #[must_use]
    pub fn acquire_timeout(self, timeout: Duration) -> Self {
        Self {
            inner: self.inner.acquire_timeout(timeout),
        }
    }

    /// How long an acquire may take.
    pub fn get_acquire_timeout(&self) -> Duration {
        self.inner.get_acquire_timeout()
    }

    /// Sets how old a connection may become.
    #[must_use]
    pub fn max_lifetime(self, lifetime: impl Into<Option<Duration>>) -> Self {
        Self {
            inner: self.inner.max_lifetime(lifetime),
        }
    }

    /// How old a connection may become.
    pub fn get_max_lifetime(&self) -> Option<Duration> {
        self.inner.get_max_lifetime()
    }

    /// Sets how long a connection may be idle.
    #[must_use]
    pub fn idle_timeout(self, timeout: impl Into<Option<Duration>>) -> Self {
        Self {
            inner: self.inner.idle_timeout(timeout),
        }
    }

    /// How long a connection may be idle.
    pub fn get_idle_timeout(&self) -> Option<Duration> {
        self.inner.get_idle_timeout()
    }

    /// Sets whether idle connections are pinged before they are given out.
    #[must_use]
    pub fn test_before_acquire(self, test: bool) -> Self {
        Self {
            inner: self.inner.test_before_acquire(test),
        }
    }

    /// Whether idle connections are pinged before they are given out.
    pub fn get_test_before_acquire(&self) -> bool {
        self.inner.get_test_before_acquire()
    }

    #[doc(hidden)]
    #[must_use]
    pub fn __fair(self, fair: bool) -> Self {
        Self {
            inner: self.inner.__fair(fair),
        }
    }

    /// Sets what is done with each new connection.
    #[must_use]
    pub fn after_connect<F>(self, callback: F) -> Self
    where
        for<'c> F: Fn(&'c mut DB::Connection, PoolConnectionMetadata) -> BoxFuture<'c, Result<(), Error>>
            + 'static
            + Send
            + Sync,
    {
        Self {
            inner: self.inner.after_connect(callback),
        }
    }

    /// Sets what is done with an idle connection before it is given out.
    #[must_use]
    pub fn before_acquire<F>(self, callback: F) -> Self
    where
        for<'c> F: Fn(&'c mut DB::Connection, PoolConnectionMetadata) -> BoxFuture<'c, Result<bool, Error>>
            + 'static
            + Send
            + Sync,
    {
        Self {
            inner: self.inner.before_acquire(callback),
        }
    }

    /// Sets what is done with a connection that is given back.
    #[must_use]
    pub fn after_release<F>(self, callback: F) -> Self
    where
        for<'c> F: Fn(&'c mut DB::Connection, PoolConnectionMetadata) -> BoxFuture<'c, Result<bool, Error>>
            + 'static
            + Send
            + Sync,
    {
        Self {
            inner: self.inner.after_release(callback),
        }
    }
}

impl<DB: Database> From<sqlx::pool::PoolOptions<DB>> for PoolOptions<DB> {
    fn from(inner: sqlx::pool::PoolOptions<DB>) -> Self {
        Self { inner }
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
        }
    }
}

impl<DB: Database> fmt::Debug for PoolOptions<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
