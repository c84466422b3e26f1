//! The tracked `Transaction`, rebuilt over the driver's transaction manager.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

use futures_core::future::BoxFuture;
use sqlx::{Database, Error, SqlStr};
use sqlx_core::transaction::TransactionManager;

use super::conn::Conn;
use super::known;
use crate::handle::ControlGuard;
use crate::handle::begun::End;
use crate::lifecycle::operation::{TransactionSpan, operation};
use crate::lifecycle::{refused, transaction};
use crate::lint::Refused;
use crate::pool_state::connections::Shown;
use crate::pool_state::counters::Control;
use crate::scope::context;
use crate::sql;

/// sqlx's `Transaction`, tracked: a transaction, or a savepoint inside one. It is rolled back if it is dropped while
/// open.
pub struct Transaction<'c, DB: Database> {
    conn: Conn<'c, DB>,
    open: bool,
    span: TransactionSpan,
}

impl<'c, DB: Database> Transaction<'c, DB> {
    #[doc(hidden)]
    pub fn begin(
        conn: impl Into<Conn<'c, DB>>,
        statement: Option<SqlStr>,
    ) -> BoxFuture<'c, Result<Self, Error>> {
        Box::pin(Self::begin_on(conn.into(), statement))
    }

    pub(super) async fn begin_on(
        conn: Conn<'c, DB>,
        statement: Option<SqlStr>,
    ) -> Result<Self, Error> {
        if let Some(handle) = conn.handle() {
            transaction::judge_begin(handle);
        }
        let span = TransactionSpan::begin(conn.handle(), known::system::<DB>());
        let mut beginning = Beginning { conn: Some(conn) };
        let (handle, connection) = beginning
            .conn
            .as_mut()
            .expect("BUG: `conn` was set in the line before")
            .parts();
        let locks = statement
            .as_ref()
            .is_some_and(|text| sql::locks_for_writing(text.as_str()));
        let kind = match handle {
            Some(handle) if handle.transaction_depth() > 0 => Control::Savepoint,
            _ => Control::Begin,
        };
        let control = handle.map(|handle| handle.begin_control(kind));
        let begin = DB::TransactionManager::begin(connection, statement);
        let result = operation(kind, None, handle, known::system::<DB>(), begin).await;
        let failed_after = time_if_failed(&result, control.as_ref());
        drop(control);
        let mut conn = beginning
            .conn
            .take()
            .expect("BUG: only this line empties `conn`");
        match result {
            Ok(()) => {
                conn.watch();
                if let Some(handle) = conn.handle() {
                    handle.transaction_began(context::site(), locks);
                }
                Ok(Self {
                    conn,
                    open: true,
                    span,
                })
            }
            Err(error) => {
                span.end("begin", Some(&error));
                if let Some(handle) = conn.handle() {
                    transaction::operation_failed(handle, "SAVEPOINT", &error);
                }
                // As sqlx does, because the transaction may have begun despite the error.
                DB::TransactionManager::start_rollback(conn.connection());
                refused::judge(conn.handle(), Refused::Begin, failed_after, &error);
                Err(error)
            }
        }
    }

    /// Commits this transaction or savepoint.
    ///
    /// # Panics
    ///
    /// In a debug build, before anything is sent, if the server has failed or ended the transaction and
    /// `failed_transaction` is at deny; or in place of an error of SQLite for a database that is locked, if
    /// `database_locked` is. Both warn by default.
    pub async fn commit(mut self) -> Result<(), Error> {
        if let Some(handle) = self.conn.handle() {
            transaction::judge_commit(handle);
        }
        let control = self.begin_control(Control::Commit);
        let (handle, connection) = self.conn.parts();
        let commit = DB::TransactionManager::commit(connection);
        let system = known::system::<DB>();
        let result = operation(Control::Commit, None, handle, system, commit).await;
        self.span.end("commit", result.as_ref().err());
        let failed_after = time_if_failed(&result, control.as_ref());
        drop(control);
        let result = self.closed_if(result, End::Committed);
        if let Err(error) = &result {
            refused::judge(self.conn.handle(), Refused::Commit, failed_after, error);
        }
        result
    }

    /// Rolls this transaction or savepoint back.
    pub async fn rollback(mut self) -> Result<(), Error> {
        let control = self.begin_control(Control::Rollback);
        let (handle, connection) = self.conn.parts();
        let rollback = DB::TransactionManager::rollback(connection);
        let system = known::system::<DB>();
        let result = operation(Control::Rollback, None, handle, system, rollback).await;
        self.span.end("rollback", result.as_ref().err());
        drop(control);
        self.closed_if(result, End::RolledBack)
    }

    fn begin_control(&self, control: Control) -> Option<ControlGuard> {
        self.conn
            .handle()
            .map(|handle| handle.begin_control(control))
    }

    fn closed_if(&mut self, result: Result<(), Error>, end: End) -> Result<(), Error> {
        if result.is_ok() {
            self.open = false;
        }
        if let Some(handle) = self.conn.handle() {
            match &result {
                Ok(()) => handle.transaction_ended(end),
                Err(error) => {
                    transaction::judge_failed_end(handle, end, error);
                    handle.commit_or_rollback_failed();
                }
            }
        }
        result
    }

    pub(super) fn conn_mut(&mut self) -> &mut Conn<'c, DB> {
        &mut self.conn
    }
}

/// The time that a control operation took, if it failed.
fn time_if_failed(result: &Result<(), Error>, control: Option<&ControlGuard>) -> Option<Duration> {
    let began = control.filter(|_| result.is_err())?.began();
    Some(Instant::now().saturating_duration_since(began))
}

/// A `begin` that has not completed.
///
/// If it is dropped at that point, the server may be in a transaction that the driver does not know of.
struct Beginning<'c, DB: Database> {
    conn: Option<Conn<'c, DB>>,
}

impl<DB: Database> Drop for Beginning<'_, DB> {
    fn drop(&mut self) {
        let Some(conn) = &mut self.conn else {
            return;
        };
        let system = conn
            .handle()
            .map_or(known::system::<DB>(), |handle| handle.pool.endpoint.system);
        if system.rolls_back_abandoned_begin() {
            // The driver's worker thread rolls back a BEGIN whose caller is gone. A second rollback would end an
            // enclosing transaction.
            return;
        }
        if conn.has_permit() {
            // Only closing the connection certainly ends the transaction.
            conn.poison(Shown::Cancelled);
        } else {
            // No pool closes this connection when it is dropped, so it gets the rollback that sqlx starts.
            DB::TransactionManager::start_rollback(conn.connection());
        }
    }
}

impl<DB: Database> Drop for Transaction<'_, DB> {
    fn drop(&mut self) {
        if self.open {
            self.span.end("drop", None);
            if let Some(handle) = self.conn.handle() {
                let scope = context::scope();
                let lost = handle.transaction_dropped(scope.as_deref());
                drop(handle.begin_control(Control::ImplicitRollback));
                // Not while unwinding: the panic shows that the function has failed.
                if let (Some(lost), Some(scope)) = (lost, scope)
                    && !std::thread::panicking()
                {
                    scope.lose(lost);
                }
            }
            // Queues a rollback, which the connection sends with its next operation.
            DB::TransactionManager::start_rollback(self.conn.connection());
        }
    }
}

impl<'c, DB: Database> Deref for Transaction<'c, DB> {
    type Target = Conn<'c, DB>;

    #[inline]
    fn deref(&self) -> &Self::Target {
        &self.conn
    }
}

impl<DB: Database> DerefMut for Transaction<'_, DB> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.conn
    }
}

// As in sqlx, so that a `PgAdvisoryLock` accepts a transaction.
impl<DB: Database> AsMut<DB::Connection> for Transaction<'_, DB> {
    fn as_mut(&mut self) -> &mut DB::Connection {
        &mut self.conn
    }
}

impl<DB: Database> fmt::Debug for Transaction<'_, DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").finish()
    }
}
