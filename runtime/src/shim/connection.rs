//! The tracked `Connection`: sqlx's methods, on sqlx's connections, beginning tracked transactions.

use std::future::Future;

use futures_core::future::BoxFuture;
use sqlx::{ConnectOptions, Database, Error, SqlSafeStr};
use sqlx_core::database::HasStatementCache;

use super::any_conn::AnyConn;
use super::conn::Conn;
use super::in_use::Tracked;
use super::lent;
use super::transaction::Transaction;
use crate::handle::ControlGuard;
use crate::pool_state::counters::Control;

/// sqlx's `Connection`, beginning tracked transactions. Implemented for all of sqlx's connections.
pub trait Connection: Send {
    /// The database.
    type Database: Database;

    /// The options to connect with.
    type Options: ConnectOptions;

    /// Closes this connection gracefully.
    fn close(self) -> impl Future<Output = Result<(), Error>> + Send + 'static;

    #[doc(hidden)]
    fn close_hard(self) -> impl Future<Output = Result<(), Error>> + Send + 'static;

    /// Checks whether the connection is still valid.
    fn ping(&mut self) -> impl Future<Output = Result<(), Error>> + Send + '_;

    /// Begins a transaction, or sets a savepoint in the one that is open.
    fn begin(
        &mut self,
    ) -> impl Future<Output = Result<Transaction<'_, Self::Database>, Error>> + Send + '_;

    /// Begins a transaction with a statement of one's own.
    fn begin_with(
        &mut self,
        statement: impl SqlSafeStr,
    ) -> impl Future<Output = Result<Transaction<'_, Self::Database>, Error>> + Send + '_
    where
        Self: Sized;

    /// Whether the connection is in a transaction, as far as the driver knows.
    fn is_in_transaction(&self) -> bool;

    /// Runs a function inside a transaction, which is committed if it returns `Ok` and rolled back if not.
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

    /// Statements cached in the connection.
    fn cached_statements_size(&self) -> usize
    where
        Self::Database: HasStatementCache;

    /// Removes all statements from the cache.
    fn clear_cached_statements(&mut self) -> impl Future<Output = Result<(), Error>> + Send + '_
    where
        Self::Database: HasStatementCache;

    /// Gives back buffer space beyond the default.
    fn shrink_buffers(&mut self);

    #[doc(hidden)]
    fn flush(&mut self) -> impl Future<Output = Result<(), Error>> + Send + '_;

    #[doc(hidden)]
    fn should_flush(&self) -> bool;

    /// Connects to the database that a URL names.
    fn connect(url: &str) -> impl Future<Output = Result<Self, Error>> + Send + 'static
    where
        Self: sqlx::Connection + Sized,
    {
        <Self as sqlx::Connection>::connect(url)
    }

    /// Connects with options.
    fn connect_with(
        options: &<Self as sqlx::Connection>::Options,
    ) -> impl Future<Output = Result<Self, Error>> + Send + '_
    where
        Self: sqlx::Connection + Sized,
    {
        <Self as sqlx::Connection>::connect_with(options)
    }
}

/// Runs a function inside a transaction. No function, whose future would have to outlive the function's types.
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
            let control = handle.map(|handle| handle.begin_control(Control::Ping));
            let result = sqlx::Connection::ping(self).await;
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

/// A connection under its handle: what it begins is known to the handle.
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
        let Tracked { handle, connection } = self.tracked();
        async move {
            let control = handle.map(|handle| handle.begin_control(Control::Ping));
            let result = sqlx::Connection::ping(connection).await;
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
