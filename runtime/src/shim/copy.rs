//! COPY through a pool, tracked.

use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use futures_core::Stream;
use futures_core::stream::BoxStream;
use futures_util::TryStreamExt;
use sqlx::{Error, PgConnection, Postgres};
use sqlx_core::bytes::Bytes;

use super::conn::Conn;
use super::pool::Pool;
use super::pool_connection::PoolConnection;
use crate::handle::Handle;
use crate::handle::asked::Purpose;
use crate::handle::held::Held;
use crate::handle::lent::Use;
use crate::lifecycle::acquire::Claiming;
use crate::lifecycle::transaction;
use crate::scope::origin::Origin;

type SqlxCopyIn = sqlx::postgres::PgCopyIn<sqlx::pool::PoolConnection<Postgres>>;

/// sqlx's `PgCopyIn<C>`: sqlx's own for a borrowed connection, and a tracked one for a pool's connection.
pub type PgCopyIn<C> = <C as CopiesIn>::Copy;

/// A connection, owned or borrowed, that a COPY holds while it runs.
#[doc(hidden)]
pub trait CopiesIn {
    /// The COPY that runs on it.
    type Copy;
}

impl CopiesIn for PoolConnection<Postgres> {
    type Copy = PgPoolCopyIn;
}

impl CopiesIn for sqlx::pool::PoolConnection<Postgres> {
    type Copy = SqlxCopyIn;
}

impl<'c> CopiesIn for &'c mut PgConnection {
    type Copy = sqlx::postgres::PgCopyIn<&'c mut PgConnection>;
}

/// A tracked `COPY FROM STDIN` on a connection of a pool. It has all methods of sqlx's `PgCopyIn`.
#[must_use = "connection will error on next use if `.finish()` or `.abort()` is not called"]
#[derive(Debug)]
pub struct PgPoolCopyIn {
    // Dropped first: see `Conn`.
    held: Option<Held>,
    copy: CopyIn,
    /// The number of chunks sent.
    sent: u64,
}

/// sqlx's type has no `Debug`.
struct CopyIn(SqlxCopyIn);

impl std::fmt::Debug for CopyIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PgCopyIn").finish_non_exhaustive()
    }
}

impl Deref for CopyIn {
    type Target = SqlxCopyIn;

    fn deref(&self) -> &SqlxCopyIn {
        &self.0
    }
}

impl DerefMut for CopyIn {
    fn deref_mut(&mut self) -> &mut SqlxCopyIn {
        &mut self.0
    }
}

impl PgPoolCopyIn {
    /// Whether PostgreSQL expects text or CSV.
    pub fn is_textual(&self) -> bool {
        self.copy.is_textual()
    }

    /// The number of columns that PostgreSQL expects.
    pub fn num_columns(&self) -> usize {
        self.copy.num_columns()
    }

    /// Whether PostgreSQL expects a column as text.
    ///
    /// # Panics
    ///
    /// If there is no such column.
    pub fn column_is_textual(&self, column: usize) -> bool {
        self.copy.column_is_textual(column)
    }

    /// Sends a chunk of data.
    pub async fn send(&mut self, data: impl Deref<Target = [u8]>) -> Result<&mut Self, Error> {
        self.sending();
        self.copy.send(data).await?;
        self.sent();
        Ok(self)
    }

    /// Sends the data of `source` up to its end.
    ///
    /// # Errors
    ///
    /// If `source` cannot be read, or the connection fails.
    pub async fn read_from(
        &mut self,
        source: impl sqlx_core::io::AsyncRead + Unpin,
    ) -> Result<&mut Self, Error> {
        self.sending();
        self.copy.read_from(source).await?;
        self.sent();
        Ok(self)
    }

    fn sending(&self) {
        if let Some(held) = &self.held {
            held.handle().await_copy(Instant::now());
        }
    }

    fn sent(&mut self) {
        self.sent += 1;
        if let Some(held) = &self.held {
            held.handle().copied(self.sent, Instant::now());
        }
    }

    /// Ends the COPY with an error, so that PostgreSQL discards the data, and returns the connection to its pool.
    ///
    /// # Errors
    ///
    /// If the server answers with another error than that the COPY was aborted.
    pub async fn abort(self, msg: impl Into<String>) -> Result<(), Error> {
        self.sending();
        let Self { held, copy, .. } = self;
        let result = copy.0.abort(msg).await;
        drop(held);
        result
    }

    /// Completes the COPY, returns the connection to its pool, and returns the number of rows affected.
    ///
    /// # Errors
    ///
    /// If the server refuses the data.
    pub async fn finish(self) -> Result<u64, Error> {
        // Checking the data may take the server a while.
        self.sending();
        let Self { held, copy, .. } = self;
        let result = copy.0.finish().await;
        drop(held);
        result
    }
}

/// sqlx's methods of the same names. What they return is sqlx's own, so that only the beginning of a COPY is seen, and the
/// data of a `COPY TO STDOUT`.
impl Conn<'_, Postgres> {
    /// Begins a `COPY FROM STDIN` on this connection.
    ///
    /// # Errors
    ///
    /// If the server refuses the statement, or if it is another one.
    pub async fn copy_in_raw(
        &mut self,
        statement: &str,
    ) -> Result<PgCopyIn<&mut PgConnection>, Error> {
        let handle = self.handle().cloned();
        let copy = PgConnection::copy_in_raw(self, statement).await;
        if let (Some(handle), Err(error)) = (handle, &copy) {
            copy_failed(&handle, statement, error);
        }
        copy
    }

    /// Begins a `COPY TO STDOUT` on this connection, and returns the stream of its data.
    ///
    /// # Errors
    ///
    /// If the server refuses the statement, or if it is another one.
    pub async fn copy_out_raw<'c>(
        &'c mut self,
        statement: &str,
    ) -> Result<BoxStream<'c, Result<Bytes, Error>>, Error> {
        let handle = self.handle().cloned();
        let text = statement.to_owned();
        let note = move |error: &Error| {
            if let Some(handle) = &handle {
                copy_failed(handle, &text, error);
            }
        };
        let data = PgConnection::copy_out_raw(self, statement).await;
        let data = data.inspect_err(&note)?;
        Ok(Box::pin(data.inspect_err(note)))
    }
}

/// A COPY on a connection that was lent for it has failed, and so is over.
fn copy_failed(handle: &Handle, statement: &str, error: &Error) {
    handle.note_use(Use {
        borrower: None,
        is_whole: true,
        is_all: true,
    });
    transaction::operation_failed(handle, statement, error);
}

/// sqlx's `PgPoolCopyExt`, for the tracked pool.
pub trait PgPoolCopyExt {
    /// Begins a `COPY FROM STDIN` on a connection of the pool.
    ///
    /// # Panics
    ///
    /// As [`Pool::acquire`].
    fn copy_in_raw<'a>(
        &'a self,
        statement: &'a str,
    ) -> impl Future<Output = Result<PgPoolCopyIn, Error>> + Send + 'a;

    /// Begins a `COPY TO STDOUT` on a connection of the pool, and returns the stream of its data.
    ///
    /// # Panics
    ///
    /// As [`Pool::acquire`].
    fn copy_out_raw<'a>(
        &'a self,
        statement: &'a str,
    ) -> impl Future<Output = Result<BoxStream<'static, Result<Bytes, Error>>, Error>> + Send + 'a;
}

impl PgPoolCopyExt for Pool<Postgres> {
    #[track_caller]
    fn copy_in_raw<'a>(
        &'a self,
        statement: &'a str,
    ) -> impl Future<Output = Result<PgPoolCopyIn, Error>> + Send + 'a {
        let copy = sqlx::postgres::PgPoolCopyExt::copy_in_raw(self.sqlx(), statement);
        let begun = self.begin_copy(Origin::caller(Location::caller()), copy);
        async move {
            let (held, copy) = begun.await?;
            Ok(PgPoolCopyIn {
                held,
                copy: CopyIn(copy),
                sent: 0,
            })
        }
    }

    #[track_caller]
    fn copy_out_raw<'a>(
        &'a self,
        statement: &'a str,
    ) -> impl Future<Output = Result<BoxStream<'static, Result<Bytes, Error>>, Error>> + Send + 'a
    {
        let copy = sqlx::postgres::PgPoolCopyExt::copy_out_raw(self.sqlx(), statement);
        let begun = self.begin_copy(Origin::caller(Location::caller()), copy);
        async move {
            let (held, stream) = begun.await?;
            Ok(Box::pin(CopyOut {
                held,
                stream,
                read: 0,
            }) as BoxStream<'static, _>)
        }
    }
}

impl Pool<Postgres> {
    /// Acquires a permit by polling `copy`.
    ///
    /// sqlx acquires the connection inside `copy`, so the claim counts as waiting until the COPY has begun.
    async fn begin_copy<T>(
        &self,
        origin: Origin,
        copy: impl Future<Output = Result<T, Error>>,
    ) -> Result<(Option<Held>, T), Error> {
        let state = self.state().clone();
        let (held, begun) =
            Claiming::new(state, origin, Purpose::Connection, copy, |held, begun| {
                (held, begun)
            })
            .await?;
        if let Some(held) = &held {
            held.handle().begin_copy();
        }
        Ok((held, begun))
    }
}

/// The data of a COPY, with the handle of its connection.
struct CopyOut {
    held: Option<Held>,
    stream: BoxStream<'static, Result<Bytes, Error>>,
    /// The number of messages read.
    read: u64,
}

impl Stream for CopyOut {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = self.stream.as_mut().poll_next(cx);
        self.read += u64::from(matches!(item, Poll::Ready(Some(_))));
        let now = Instant::now();
        match (&item, &self.held) {
            // sqlx's stream drops its connection when it ends, also by an error.
            (Poll::Ready(None | Some(Err(_))), _) => self.held = None,
            (Poll::Ready(Some(Ok(_))), Some(held)) => held.handle().copied(self.read, now),
            (Poll::Pending, Some(held)) => held.handle().await_copy(now),
            (_, None) => {}
        }
        item
    }
}
