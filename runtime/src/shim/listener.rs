//! The tracked `PgListener`, whose handle is reserved.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_core::future::BoxFuture;
use futures_core::stream::BoxStream;
use sqlx::postgres::{PgNotification, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{Describe, Either, Error, Execute, Executor, Postgres, SqlStr};

use super::acquire::Acquire;
use super::any_conn::AnyConn;
use super::conn::Conn;
use super::pool::Pool;
use super::tap::{Tap, tap};
use super::transaction::Transaction;
use crate::handle::LISTENER;
use crate::handle::asked::Purpose;
use crate::handle::held::Held;
use crate::lifecycle::acquire::Claiming;
use crate::scope::origin::Origin;

/// sqlx's `PgListener`, tracked. Its handle is shown as reserved for listening.
pub struct PgListener {
    // Dropped first: see `Conn`. `None` where the listener has a pool of its own, or everything is switched off.
    held: Option<Held>,
    listener: sqlx::postgres::PgListener,
}

impl PgListener {
    /// Connects a listener with a connection of its own, which is no pool's and has no handle.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        Ok(Self {
            held: None,
            listener: sqlx::postgres::PgListener::connect(url).await?,
        })
    }

    /// Acquires a connection of `pool` for the listener.
    ///
    /// # Errors
    ///
    /// As [`Pool::acquire`].
    ///
    /// # Panics
    ///
    /// As [`Pool::acquire`].
    #[track_caller]
    pub fn connect_with(pool: &Pool<Postgres>) -> impl Future<Output = Result<Self, Error>> {
        let origin = Origin::caller(Location::caller());
        async move {
            let (held, listener) = Claiming::new(
                pool.state().clone(),
                origin,
                Purpose::Connection,
                sqlx::postgres::PgListener::connect_with(pool.sqlx()),
                |held, listener| (held, listener),
            )
            .await?;
            if let Some(held) = &held {
                held.handle().reserve(LISTENER.to_owned());
            }
            Ok(Self { held, listener })
        }
    }

    /// Sets whether [`recv`](Self::recv) and [`try_recv`](Self::try_recv) keep waiting when the pool closes. By default
    /// they return [`Error::PoolClosed`].
    pub fn ignore_pool_close_event(&mut self, val: bool) {
        self.listener.ignore_pool_close_event(val);
    }

    /// Sets whether [`try_recv`](Self::try_recv) replaces a lost connection before it returns `None`, which is the
    /// default, or when it is called next.
    pub fn eager_reconnect(&mut self, val: bool) {
        self.listener.eager_reconnect(val);
    }

    /// Starts listening on a channel.
    pub async fn listen(&mut self, channel: &str) -> Result<(), Error> {
        self.listener.listen(channel).await
    }

    /// Starts listening on several channels.
    pub async fn listen_all(
        &mut self,
        channels: impl IntoIterator<Item = &str>,
    ) -> Result<(), Error> {
        self.listener.listen_all(channels).await
    }

    /// Stops listening on a channel.
    pub async fn unlisten(&mut self, channel: &str) -> Result<(), Error> {
        self.listener.unlisten(channel).await
    }

    /// Stops listening on all channels.
    pub async fn unlisten_all(&mut self) -> Result<(), Error> {
        self.listener.unlisten_all().await
    }

    /// Waits for the next notification. Replaces a lost connection; notifications sent meanwhile are lost.
    pub async fn recv(&mut self) -> Result<PgNotification, Error> {
        self.listener.recv().await
    }

    /// Waits for the next notification. Returns `None` if the connection was lost.
    pub async fn try_recv(&mut self) -> Result<Option<PgNotification>, Error> {
        self.listener.try_recv().await
    }

    /// Returns the next notification that has arrived already, if any.
    pub fn next_buffered(&mut self) -> Option<PgNotification> {
        self.listener.next_buffered()
    }

    /// Returns the notifications as a stream, which keeps the connection.
    pub fn into_stream(self) -> impl Stream<Item = Result<PgNotification, Error>> + Unpin {
        let Self { held, listener } = self;
        Notifications {
            _held: held,
            stream: listener.into_stream(),
        }
    }

    fn tapped(&mut self) -> Tap<&mut sqlx::postgres::PgListener> {
        tap(&mut self.listener)
    }
}

/// A listener's notifications, with the handle of its connection.
struct Notifications<S> {
    _held: Option<Held>,
    stream: S,
}

impl<S: Stream + Unpin> Stream for Notifications<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        Pin::new(&mut self.stream).poll_next(cx)
    }
}

impl<'c> Acquire<'c> for &'c mut PgListener {
    type Database = Postgres;
    type Connection = &'c mut (dyn AnyConn<Postgres> + 'c);

    fn acquire(self) -> BoxFuture<'c, Result<Self::Connection, Error>> {
        Box::pin(async move {
            let connection = sqlx::Acquire::acquire(&mut self.listener).await?;
            Ok(connection as Self::Connection)
        })
    }

    fn begin(self) -> BoxFuture<'c, Result<Transaction<'c, Postgres>, Error>> {
        Box::pin(async move {
            let connection = sqlx::Acquire::acquire(&mut self.listener).await?;
            Transaction::begin_on(Conn::borrowed(connection), None).await
        })
    }
}

impl<'c> Executor<'c> for &'c mut PgListener {
    type Database = Postgres;

    // The provided methods would begin a stream at the call, before the call site that awaits the future is known.
    fn execute<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<PgQueryResult, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        self.tapped().execute(query)
    }

    fn fetch_all<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Vec<PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        self.tapped().fetch_all(query)
    }

    fn fetch_one<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<PgRow, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        self.tapped().fetch_one(query)
    }

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        self.tapped().fetch_many(query)
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        self.tapped().fetch_optional(query)
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, Error>>
    where
        'c: 'e,
    {
        self.tapped().prepare_with(sql, parameters)
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, Error>>
    where
        'c: 'e,
    {
        self.tapped().describe(sql)
    }
}

impl fmt::Debug for PgListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.listener.fmt(f)
    }
}
