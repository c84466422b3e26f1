//! The tracked `Transaction`, rebuilt over the driver's transaction manager.

use std::fmt;
use std::mem;
use std::ops::{Deref, DerefMut};

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

    #[expect(
        clippy::manual_async_fn,
        reason = "the future of an `async fn` has each argument twice"
    )]
    pub(super) fn begin_on(
        mut conn: Conn<'c, DB>,
        statement: Option<SqlStr>,
    ) -> impl Future<Output = Result<Self, Error>> + Send {
        async move {
            if let Some(handle) = conn.handle() {
                transaction::judge_begin(handle);
            }
            let span = TransactionSpan::begin(conn.handle(), known::system::<DB>());
            let beginning = Beginning { conn: &mut conn };
            let (handle, connection) = beginning.conn.parts();
            let locks = statement
                .as_ref()
                .is_some_and(|text| sql::locks_for_writing(text.as_str()));
            let control = handle.map(|handle| handle.begin_transaction());
            let result = operation(
                control
                    .as_ref()
                    .map_or(Control::Begin, ControlGuard::control),
                None,
                handle,
                known::system::<DB>(),
                // In a variable, it would have its place in the future twice.
                DB::TransactionManager::begin(connection, statement),
            )
            .await;
            match result {
                Ok(()) => {
                    let noted = control.map(|control| control.transaction_began(locks));
                    beginning.ends();
                    if noted.is_none()
                        && let Some(handle) = conn.watch()
                    {
                        handle.transaction_began(locks);
                    }
                    Ok(Self {
                        conn,
                        open: true,
                        span,
                    })
                }
                Err(error) => {
                    let failed_after = control.map(ControlGuard::failed);
                    beginning.ends();
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
        let (handle, connection) = self.conn.parts();
        let control = handle.map(|handle| handle.begin_control(Control::Commit));
        let result = operation(
            Control::Commit,
            None,
            handle,
            known::system::<DB>(),
            DB::TransactionManager::commit(connection),
        )
        .await;
        self.span.end("commit", result.as_ref().err());
        match result {
            Ok(()) => {
                ControlGuard::transaction_ended(control, End::Committed);
                self.ends();
                Ok(())
            }
            Err(error) => {
                let failed_after = control.map(ControlGuard::failed);
                self.failed_to_end(End::Committed, &error);
                refused::judge(self.conn.handle(), Refused::Commit, failed_after, &error);
                Err(error)
            }
        }
    }

    /// Rolls this transaction or savepoint back.
    pub async fn rollback(mut self) -> Result<(), Error> {
        let (handle, connection) = self.conn.parts();
        let control = handle.map(|handle| handle.begin_control(Control::Rollback));
        let result = operation(
            Control::Rollback,
            None,
            handle,
            known::system::<DB>(),
            DB::TransactionManager::rollback(connection),
        )
        .await;
        self.span.end("rollback", result.as_ref().err());
        match result {
            Ok(()) => {
                ControlGuard::transaction_ended(control, End::RolledBack);
                self.ends();
                Ok(())
            }
            Err(error) => {
                drop(control);
                self.failed_to_end(End::RolledBack, &error);
                Err(error)
            }
        }
    }

    fn ends(&mut self) {
        self.open = false;
    }

    fn failed_to_end(&self, end: End, error: &Error) {
        if let Some(handle) = self.conn.handle() {
            transaction::judge_failed_end(handle, end, error);
            handle.commit_or_rollback_failed();
        }
    }

    pub(super) fn conn_mut(&mut self) -> &mut Conn<'c, DB> {
        &mut self.conn
    }
}

/// A `begin` that has not completed.
///
/// If it is dropped at that point, the server may be in a transaction that the driver does not know of.
struct Beginning<'a, 'c, DB: Database> {
    conn: &'a mut Conn<'c, DB>,
}

impl<DB: Database> Beginning<'_, '_, DB> {
    /// It has completed.
    fn ends(self) {
        mem::forget(self);
    }
}

impl<DB: Database> Drop for Beginning<'_, '_, DB> {
    fn drop(&mut self) {
        let conn = &mut *self.conn;
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
