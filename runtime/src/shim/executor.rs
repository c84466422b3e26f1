//! Tracked executors: `&mut Conn` and `&Pool`.
//!
//! Every method of sqlx's trait is overridden, because the provided ones box once more at each step. The
//! implementations have no `Executor` bound; [`Backend`] says why.

use std::panic::Location;

use async_stream::try_stream;
use futures_core::future::BoxFuture;
use futures_core::stream::BoxStream;
use futures_util::TryStreamExt;
use sqlx::{Describe, Either, Error, Execute, Executor, SqlStr};

use super::any_conn::AnyConn;
use super::backend::Backend;
use super::conn::Conn;
use super::driven;
use super::in_use::Tracked;
use super::known;
use super::pool::Pool;
use super::sent::Sent;
use super::stream::{Counted, Step, in_current_span, picked};
use crate::handle::asked::Purpose;
use crate::handle::{ControlGuard, Handle};
use crate::lifecycle::operation::operation;
use crate::lifecycle::statement::{Prepared, PreparedRows, Running};
use crate::lifecycle::transaction;
use crate::log::spans;
use crate::pool_state::counters::Control;
use crate::scope::origin::Origin;

impl<'e, DB: Backend> Tracked<'e, DB> {
    /// Runs a statement to its end, and collects a `T` by passing it to `take` with each step.
    #[expect(
        clippy::manual_async_fn,
        reason = "the future of an `async fn` has each argument twice"
    )]
    fn run<T: Default + Send>(
        self,
        prepared: Prepared,
        mut sent: Sent<DB>,
        take: impl Fn(&mut T, Step<DB>) + Send,
    ) -> impl Future<Output = Result<T, Error>> + Send {
        async move {
            let mut running = prepared.begin(&mut sent, known::system::<DB>(), self.handle);
            let steps =
                spans::outside(running.has_span(), || DB::fetch_many(self.connection, sent));
            let mut steps = driven::stream(running.span(), steps);
            let mut taken = T::default();
            loop {
                match steps.try_next().await {
                    Ok(None) => break,
                    Ok(Some(step)) => {
                        count::<DB>(&mut running, &step);
                        take(&mut taken, step);
                    }
                    Err(error) => {
                        running.end(Some(&error));
                        return Err(error);
                    }
                }
            }
            running.end(None);
            Ok(taken)
        }
    }

    fn execute(
        self,
        prepared: Prepared,
        sent: Sent<DB>,
    ) -> impl Future<Output = Result<DB::QueryResult, Error>> + Send {
        self.run(prepared, sent, |total: &mut DB::QueryResult, step| {
            total.extend(step.left());
        })
    }

    fn fetch_all(
        self,
        prepared: Prepared,
        sent: Sent<DB>,
    ) -> impl Future<Output = Result<Vec<DB::Row>, Error>> + Send {
        self.run(prepared, sent, |rows: &mut Vec<DB::Row>, step| {
            rows.extend(step.right());
        })
    }

    /// Runs a statement of which the first row is asked for, and returns what `take` makes of that.
    #[expect(
        clippy::manual_async_fn,
        reason = "the future of an `async fn` has each argument twice"
    )]
    fn fetch_first<T>(
        self,
        prepared: Prepared,
        mut sent: Sent<DB>,
        take: fn(Option<DB::Row>) -> Result<T, Error>,
    ) -> impl Future<Output = Result<T, Error>> + Send {
        async move {
            let mut running = prepared.begin(&mut sent, known::system::<DB>(), self.handle);
            running.shows_no_steps();
            let future = spans::outside(running.has_span(), || {
                DB::fetch_optional(self.connection, sent)
            });
            let result = driven::future(running.span(), future).await;
            if let Ok(Some(_)) = result {
                running.first_row();
            }
            running.end(result.as_ref().err());
            take(result?)
        }
    }

    fn stream(self, prepared: PreparedRows, mut sent: Sent<DB>) -> Counted<'e, DB> {
        let ready = prepared.look_up(&mut sent);
        let steps = spans::outside(ready.wants_span(), || DB::fetch_many(self.connection, sent));
        Counted::new(ready, self.handle, steps)
    }

    async fn prepare(
        self,
        sql: SqlStr,
        parameters: &[DB::TypeInfo],
    ) -> Result<DB::Statement, Error> {
        let control = self
            .handle
            .as_ref()
            .map(|handle| handle.begin_control(Control::Prepare));
        let text = sql.clone();
        let prepared = DB::prepare_with(self.connection, sql, parameters);
        let prepared = operation(
            Control::Prepare,
            Some(text.as_str()),
            self.handle.as_ref(),
            known::system::<DB>(),
            prepared,
        );
        let result = prepared.await;
        ControlGuard::end(control);
        note_failure(self.handle.as_deref(), text.as_str(), result)
    }

    async fn describe(self, sql: SqlStr) -> Result<Describe<DB>, Error> {
        let control = self
            .handle
            .as_ref()
            .map(|handle| handle.begin_control(Control::Describe));
        let text = sql.clone();
        let described = operation(
            Control::Describe,
            Some(text.as_str()),
            self.handle.as_ref(),
            known::system::<DB>(),
            DB::describe(self.connection, sql),
        );
        let result = described.await;
        ControlGuard::end(control);
        note_failure(self.handle.as_deref(), text.as_str(), result)
    }
}

/// Records that the driver's operation on the text has failed, if it has.
fn note_failure<T>(
    handle: Option<&Handle>,
    text: &str,
    result: Result<T, Error>,
) -> Result<T, Error> {
    if let (Some(handle), Err(error)) = (handle, &result) {
        transaction::operation_failed(handle, text, error);
    }
    result
}

fn count<DB: Backend>(running: &mut Running, step: &Step<DB>) {
    match step {
        Either::Left(result) => running.affected(known::rows_affected::<DB>(result)),
        Either::Right(_) => running.row(),
    }
}

/// Turns a missing row into an error, as sqlx's `fetch_one` does.
fn one<T>(row: Option<T>) -> Result<T, Error> {
    row.ok_or(Error::RowNotFound)
}

macro_rules! executor {
    ($ty:ty) => {
        /// Sends statements on this connection.
        ///
        /// # Panics
        ///
        /// In a debug build, a statement panics at its call site if it is the first one over a budget and
        /// `query_budget` is at deny, which is the default; or if the server has failed its transaction and
        /// `failed_transaction` is at deny. The future or stream panics when it is first polled, before anything is sent.
        /// It panics in place of an error of SQLite for a database that is locked, if `database_locked` is at deny.
        impl<'c, DB: Backend> Executor<'c> for &'c mut $ty {
            type Database = DB;

            fn execute<'e, 'q: 'e, E>(
                self,
                query: E,
            ) -> BoxFuture<'e, Result<DB::QueryResult, Error>>
            where
                'c: 'e,
                E: 'q + Execute<'q, DB>,
            {
                Box::pin(self.tracked().execute(Prepared::new(), Sent::new(query)))
            }

            fn execute_many<'e, 'q: 'e, E>(
                self,
                query: E,
            ) -> BoxStream<'e, Result<DB::QueryResult, Error>>
            where
                'c: 'e,
                E: 'q + Execute<'q, DB>,
            {
                Box::pin(picked(
                    self.tracked().stream(PreparedRows::new(), Sent::new(query)),
                    Either::left,
                ))
            }

            fn fetch<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<DB::Row, Error>>
            where
                'c: 'e,
                E: 'q + Execute<'q, DB>,
            {
                Box::pin(picked(
                    self.tracked().stream(PreparedRows::new(), Sent::new(query)),
                    Either::right,
                ))
            }

            fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Step<DB>, Error>>
            where
                'c: 'e,
                E: 'q + Execute<'q, DB>,
            {
                Box::pin(self.tracked().stream(PreparedRows::new(), Sent::new(query)))
            }

            fn fetch_all<'e, 'q: 'e, E>(
                self,
                query: E,
            ) -> BoxFuture<'e, Result<Vec<DB::Row>, Error>>
            where
                'c: 'e,
                E: 'q + Execute<'q, DB>,
            {
                Box::pin(self.tracked().fetch_all(Prepared::new(), Sent::new(query)))
            }

            fn fetch_one<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<DB::Row, Error>>
            where
                'c: 'e,
                E: 'q + Execute<'q, DB>,
            {
                Box::pin(
                    self.tracked()
                        .fetch_first(Prepared::new(), Sent::new(query), one),
                )
            }

            fn fetch_optional<'e, 'q: 'e, E>(
                self,
                query: E,
            ) -> BoxFuture<'e, Result<Option<DB::Row>, Error>>
            where
                'c: 'e,
                E: 'q + Execute<'q, DB>,
            {
                Box::pin(
                    self.tracked()
                        .fetch_first(Prepared::new(), Sent::new(query), Ok),
                )
            }

            fn prepare_with<'e>(
                self,
                sql: SqlStr,
                parameters: &'e [DB::TypeInfo],
            ) -> BoxFuture<'e, Result<DB::Statement, Error>>
            where
                'c: 'e,
            {
                Box::pin(self.tracked().prepare(sql, parameters))
            }

            fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<DB>, Error>>
            where
                'c: 'e,
            {
                Box::pin(self.tracked().describe(sql))
            }
        }
    };
}

executor!(Conn<'_, DB>);
executor!((dyn AnyConn<DB> + '_));

/// A stream of the pool, which holds a connection of its own.
///
/// It is a generator, as in sqlx, because the driver's stream borrows the connection. sqlx's own `try_stream!` is not
/// used: it hands each row over through a mutex.
macro_rules! pool_stream {
    ($pool:ident, $query:ident, $step:ident => $item:expr) => {{
        let (prepared, sent) = (PreparedRows::new(), Sent::new($query));
        let caller = Location::caller();
        let origin = prepared
            .site()
            .map_or_else(|| Origin::caller(caller), Origin::Site);
        let pool = $pool.clone();
        in_current_span(try_stream! {
            let mut conn = pool.take(origin, Purpose::Rows).await?;
            let mut steps = conn.tracked().stream(prepared, sent);
            while let Some($step) = steps.try_next().await? {
                if let Some(item) = $item {
                    yield item;
                }
            }
        })
    }};
}

/// Sends each statement on a connection that it acquires from the pool.
///
/// # Panics
///
/// In a debug build, the future or stream panics where a lint is at deny and its finding is certain. The acquire panics
/// as [`Pool::acquire`], and for `outside_transaction` when the permit is granted. The statement panics at its call
/// site if it is the first one over a budget, for `query_budget`, which is denied by default; and, once it has ended, if it
/// has left a transaction open on the connection, for `session_state`.
impl<'p, DB: Backend> Executor<'p> for &'_ Pool<DB> {
    type Database = DB;

    #[track_caller]
    fn execute<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<DB::QueryResult, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, DB>,
    {
        let (prepared, sent) = (Prepared::new(), Sent::new(query));
        let (pool, origin) = (self.clone(), Origin::caller(Location::caller()));
        Box::pin(async move {
            pool.take(origin, Purpose::Statement)
                .await?
                .tracked()
                .execute(prepared, sent)
                .await
        })
    }

    #[track_caller]
    fn execute_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<DB::QueryResult, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, DB>,
    {
        pool_stream!(self, query, step => step.left())
    }

    #[track_caller]
    fn fetch<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<DB::Row, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, DB>,
    {
        pool_stream!(self, query, step => step.right())
    }

    #[track_caller]
    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Step<DB>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, DB>,
    {
        pool_stream!(self, query, step => Some(step))
    }

    #[track_caller]
    fn fetch_all<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Vec<DB::Row>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, DB>,
    {
        let (prepared, sent) = (Prepared::new(), Sent::new(query));
        let (pool, origin) = (self.clone(), Origin::caller(Location::caller()));
        Box::pin(async move {
            pool.take(origin, Purpose::Statement)
                .await?
                .tracked()
                .fetch_all(prepared, sent)
                .await
        })
    }

    #[track_caller]
    fn fetch_one<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<DB::Row, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, DB>,
    {
        let (prepared, sent) = (Prepared::new(), Sent::new(query));
        let (pool, origin) = (self.clone(), Origin::caller(Location::caller()));
        Box::pin(async move {
            pool.take(origin, Purpose::Statement)
                .await?
                .tracked()
                .fetch_first(prepared, sent, one)
                .await
        })
    }

    #[track_caller]
    fn fetch_optional<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxFuture<'e, Result<Option<DB::Row>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, DB>,
    {
        let (prepared, sent) = (Prepared::new(), Sent::new(query));
        let (pool, origin) = (self.clone(), Origin::caller(Location::caller()));
        Box::pin(async move {
            pool.take(origin, Purpose::Statement)
                .await?
                .tracked()
                .fetch_first(prepared, sent, Ok)
                .await
        })
    }

    #[track_caller]
    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [DB::TypeInfo],
    ) -> BoxFuture<'e, Result<DB::Statement, Error>>
    where
        'p: 'e,
    {
        let (pool, origin) = (self.clone(), Origin::caller(Location::caller()));
        Box::pin(async move {
            pool.take(origin, Purpose::Statement)
                .await?
                .tracked()
                .prepare(sql, parameters)
                .await
        })
    }

    #[track_caller]
    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<DB>, Error>>
    where
        'p: 'e,
    {
        let (pool, origin) = (self.clone(), Origin::caller(Location::caller()));
        Box::pin(async move {
            pool.take(origin, Purpose::Statement)
                .await?
                .tracked()
                .describe(sql)
                .await
        })
    }
}
