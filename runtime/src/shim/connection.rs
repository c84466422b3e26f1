//! The tracked `Connection`: sqlx's methods, whose `begin` returns a tracked transaction.

use std::future::Future;

use futures_core::future::BoxFuture;
use sqlx::{ConnectOptions, Database, Error, SqlSafeStr};
use sqlx_core::database::HasStatementCache;

use super::any_conn::AnyConn;
use super::conn::Conn;
use super::in_use::Tracked;
use super::known;
use super::lent;
use super::transaction::Transaction;
use crate::handle::ControlGuard;
use crate::lifecycle::operation::operation;
use crate::pool_state::counters::Control;

/// sqlx's `Connection`, whose `begin` returns a tracked transaction. Implemented for all of sqlx's connections.
///
/// No lint stops these methods. The statements within [`transaction`](Connection::transaction) are those of its
/// callback, and panic as on any [`Conn`].
pub trait Connection: Send {
    /// The database.
    type Database: Database;

    /// The options to connect with.
    type Options: ConnectOptions;

    /// Closes this connection gracefully.
    ///
    /// A pool's [`Conn`] is dropped at the call and closed in a task, and this future is ready at once: see
    /// [`PoolConnection::close_on_drop`](crate::pool::PoolConnection::close_on_drop).
    fn close(self) -> impl Future<Output = Result<(), Error>> + Send + 'static;

    #[doc(hidden)]
    fn close_hard(self) -> impl Future<Output = Result<(), Error>> + Send + 'static;

    /// Checks whether the connection is still valid.
    ///
    /// # Errors
    ///
    /// If it is not valid any more.
    fn ping(&mut self) -> impl Future<Output = Result<(), Error>> + Send + '_;

    /// Begins a transaction, or sets a savepoint in the one that is open.
    fn begin(
        &mut self,
    ) -> impl Future<Output = Result<Transaction<'_, Self::Database>, Error>> + Send + '_;

    /// Begins a transaction with the given statement.
    ///
    /// # Errors
    ///
    /// If the connection is in a transaction already, or if the statement does not begin one.
    fn begin_with(
        &mut self,
        statement: impl SqlSafeStr,
    ) -> impl Future<Output = Result<Transaction<'_, Self::Database>, Error>> + Send + '_
    where
        Self: Sized;

    /// Whether the connection is in a transaction, as far as the driver knows.
    fn is_in_transaction(&self) -> bool;

    /// Runs a callback inside a transaction. The transaction is committed if the callback returns `Ok`, else rolled
    /// back.
    ///
    /// # Errors
    ///
    /// The callback's, or sqlx's where the transaction cannot begin or end.
    fn transaction<'a, F, R, E>(
        &'a mut self,
        callback: F,
    ) -> impl Future<Output = Result<R, E>> + Send + 'a
    where
        for<'c> F: FnOnce(&'c mut Transaction<'_, Self::Database>) -> BoxFuture<'c, Result<R, E>>
            + 'a
            + Send
            + Sync,
        Self: Sized,
        R: Send,
        E: From<Error> + Send;

    /// The number of statements cached in the connection.
    fn cached_statements_size(&self) -> usize
    where
        Self::Database: HasStatementCache;

    /// Removes all statements from the cache, and closes them on the server if needed.
    fn clear_cached_statements(&mut self) -> impl Future<Output = Result<(), Error>> + Send + '_
    where
        Self::Database: HasStatementCache;

    /// Releases buffer space beyond the default capacity.
    fn shrink_buffers(&mut self);

    #[doc(hidden)]
    fn flush(&mut self) -> impl Future<Output = Result<(), Error>> + Send + '_;

    #[doc(hidden)]
    fn should_flush(&self) -> bool;

    /// Connects to the database that `url` names.
    fn connect(url: &str) -> impl Future<Output = Result<Self, Error>> + Send + 'static
    where
        Self: sqlx::Connection + Sized,
    {
        <Self as sqlx::Connection>::connect(url)
    }

    /// Connects with the given options.
    fn connect_with(
        options: &<Self as sqlx::Connection>::Options,
    ) -> impl Future<Output = Result<Self, Error>> + Send + '_
    where
        Self: sqlx::Connection + Sized,
    {
        <Self as sqlx::Connection>::connect_with(options)
    }
}

/// Runs a callback inside a transaction. This is no function, because its future would have to outlive its type
/// parameters.
macro_rules! in_transaction {
    ($connection:ident, $callback:ident) => {
        async move {
            let mut transaction = Connection::begin($connection).await?;
            match $callback(&mut transaction).await {
                Ok(value) => {
                    transaction.commit().await?;
                    Ok(value)
                }
                Err(error) => {
                    transaction.rollback().await?;
                    Err(error)
                }
            }
        }
    };
}

impl<C: sqlx::Connection> Connection for C {
    type Database = <C as sqlx::Connection>::Database;
    type Options = <C as sqlx::Connection>::Options;

    fn close(self) -> impl Future<Output = Result<(), Error>> + Send + 'static {
        sqlx::Connection::close(self)
    }

    fn close_hard(self) -> impl Future<Output = Result<(), Error>> + Send + 'static {
        sqlx::Connection::close_hard(self)
    }

    fn ping(&mut self) -> impl Future<Output = Result<(), Error>> + Send + '_ {
        let handle = lent::of(self);
        async move {
            let control = handle
                .as_ref()
                .map(|handle| handle.begin_control(Control::Ping));
            let system = known::system::<Self::Database>();
            let ping = sqlx::Connection::ping(self);
            let result = operation(Control::Ping, None, handle.as_ref(), system, ping).await;
            ControlGuard::end(control);
            result
        }
    }

    fn begin(
        &mut self,
    ) -> impl Future<Output = Result<Transaction<'_, Self::Database>, Error>> + Send + '_ {
        Transaction::begin_on(Conn::borrowed(self), None)
    }

    fn begin_with(
        &mut self,
        statement: impl SqlSafeStr,
    ) -> impl Future<Output = Result<Transaction<'_, Self::Database>, Error>> + Send + '_ {
        Transaction::begin_on(Conn::borrowed(self), Some(statement.into_sql_str()))
    }

    #[expect(
        clippy::manual_async_fn,
        reason = "the trait says what the future captures"
    )]
    fn transaction<'a, F, R, E>(
        &'a mut self,
        callback: F,
    ) -> impl Future<Output = Result<R, E>> + Send + 'a
    where
        for<'c> F: FnOnce(&'c mut Transaction<'_, Self::Database>) -> BoxFuture<'c, Result<R, E>>
            + 'a
            + Send
            + Sync,
        R: Send,
        E: From<Error> + Send,
    {
        in_transaction!(self, callback)
    }

    fn is_in_transaction(&self) -> bool {
        sqlx::Connection::is_in_transaction(self)
    }

    fn cached_statements_size(&self) -> usize
    where
        Self::Database: HasStatementCache,
    {
        sqlx::Connection::cached_statements_size(self)
    }

    fn clear_cached_statements(&mut self) -> impl Future<Output = Result<(), Error>> + Send + '_
    where
        Self::Database: HasStatementCache,
    {
        sqlx::Connection::clear_cached_statements(self)
    }

    fn shrink_buffers(&mut self) {
        sqlx::Connection::shrink_buffers(self);
    }

    fn flush(&mut self) -> impl Future<Output = Result<(), Error>> + Send + '_ {
        sqlx::Connection::flush(self)
    }

    fn should_flush(&self) -> bool {
        sqlx::Connection::should_flush(self)
    }
}

/// A connection under its handle, which records the operations on it.
impl<DB: Database> Connection for Conn<'_, DB> {
    type Database = DB;
    type Options = <DB::Connection as sqlx::Connection>::Options;

    fn close(mut self) -> impl Future<Output = Result<(), Error>> + Send + 'static {
        self.close_on_drop();
        drop(self);
        std::future::ready(Ok(()))
    }

    fn close_hard(self) -> impl Future<Output = Result<(), Error>> + Send + 'static {
        self.close()
    }

    fn ping(&mut self) -> impl Future<Output = Result<(), Error>> + Send + '_ {
        let Tracked {
            handle, connection, ..
        } = self.tracked();
        async move {
            let control = handle
                .as_ref()
                .map(|handle| handle.begin_control(Control::Ping));
            let system = known::system::<DB>();
            let ping = sqlx::Connection::ping(connection);
            let result = operation(Control::Ping, None, handle.as_ref(), system, ping).await;
            ControlGuard::end(control);
            result
        }
    }

    fn begin(&mut self) -> impl Future<Output = Result<Transaction<'_, DB>, Error>> + Send + '_ {
        Transaction::begin_on(Conn::from_tracked(self.tracked()), None)
    }

    fn begin_with(
        &mut self,
        statement: impl SqlSafeStr,
    ) -> impl Future<Output = Result<Transaction<'_, DB>, Error>> + Send + '_ {
        let statement = statement.into_sql_str();
        Transaction::begin_on(Conn::from_tracked(self.tracked()), Some(statement))
    }

    fn is_in_transaction(&self) -> bool {
        sqlx::Connection::is_in_transaction(&**self)
    }

    #[expect(
        clippy::manual_async_fn,
        reason = "the trait says what the future captures"
    )]
    fn transaction<'a, F, R, E>(
        &'a mut self,
        callback: F,
    ) -> impl Future<Output = Result<R, E>> + Send + 'a
    where
        for<'c> F:
            FnOnce(&'c mut Transaction<'_, DB>) -> BoxFuture<'c, Result<R, E>> + 'a + Send + Sync,
        R: Send,
        E: From<Error> + Send,
    {
        in_transaction!(self, callback)
    }

    fn cached_statements_size(&self) -> usize
    where
        DB: HasStatementCache,
    {
        sqlx::Connection::cached_statements_size(&**self)
    }

    fn clear_cached_statements(&mut self) -> impl Future<Output = Result<(), Error>> + Send + '_
    where
        DB: HasStatementCache,
    {
        sqlx::Connection::clear_cached_statements(self.connection())
    }

    fn shrink_buffers(&mut self) {
        sqlx::Connection::shrink_buffers(self.connection());
    }

    fn flush(&mut self) -> impl Future<Output = Result<(), Error>> + Send + '_ {
        sqlx::Connection::flush(self.connection())
    }

    fn should_flush(&self) -> bool {
        sqlx::Connection::should_flush(&**self)
    }
}
